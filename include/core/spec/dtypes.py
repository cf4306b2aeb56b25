"""The types of a model's inputs: what an author writes, and what the code asks of one.

float, int      numbers
bool            true or false
category        one of a few texts: its code is learnt in training, and what training has not seen has the code 0
text            a text of its own, such as a review: a model that takes columns reads it as it is
vector[64]      so many float32 numbers, such as an embedding
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal, cast

from pydantic import AfterValidator

Kind = Literal["float", "int", "bool", "category", "text", "vector"]

SCALARS: tuple[Kind, ...] = ("float", "int", "bool", "category", "text")
WIDEST = 8192  # numbers of a vector
TEXT_BYTES = 65_536  # of a text in UTF-8: what is longer is refused, wherever it comes from outside
_VECTOR = re.compile(r"vector\[([1-9][0-9]{0,4})\]")


def _dtype(value: str) -> str:
    if value in SCALARS:
        return value
    found = _VECTOR.fullmatch(value)
    if found is None:
        raise ValueError(f"must be {', '.join(SCALARS)} or vector[n], such as vector[64]")
    if int(found[1]) > WIDEST:
        raise ValueError(f"a vector has at most {WIDEST} numbers")
    return value


Dtype = Annotated[str, AfterValidator(_dtype)]


@lru_cache(maxsize=1024)
def kind_of(dtype: str) -> Kind:
    """The dtype without the length of a vector. Raises ValueError for what is no dtype."""
    return "vector" if _dtype(dtype).startswith("vector[") else cast(Kind, dtype)


@lru_cache(maxsize=1024)
def length_of(dtype: str) -> int:
    """How many numbers a vector has; 0 for any other dtype."""
    return int(dtype[len("vector[") : -1]) if kind_of(dtype) == "vector" else 0


def is_text(dtype: str) -> bool:
    """Whether a value is text: a category, or a text of its own."""
    return dtype in ("category", "text")


def is_number(dtype: str) -> bool:
    """Whether a value is one number; a truth counts as 0 or 1."""
    return dtype in ("float", "int", "bool")
