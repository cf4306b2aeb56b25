"""One input of a model, as training has learnt it: its type, its default, the vocabulary of a category."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from include.core.spec import Dtype
from include.core.spec.dtypes import is_number, is_text, kind_of, length_of
from include.core.spec.features import Default

NAN = math.nan
UNKNOWN = 0
NO_TEXT = ""  # what a text is that nobody knows


@dataclass(frozen=True)
class Input:
    """One input, as it has its place in the tensor, or as a column."""

    name: str
    dtype: Dtype
    default: Default | None = None
    categories: tuple[str, ...] = ()

    @cached_property
    def codes(self) -> dict[str, float]:
        return {text: float(code) for code, text in enumerate(self.categories, start=1)}

    @property
    def missing(self) -> float:
        """What an absent value is encoded as, where it is one number."""
        if self.dtype == "category":
            return self.codes.get(str(self.default), UNKNOWN) if self.default is not None else UNKNOWN
        return NAN if self.default is None or isinstance(self.default, tuple) else float(self.default)

    @property
    def missing_text(self) -> str:
        """What an absent text is where it stays text."""
        return NO_TEXT if self.default is None else str(self.default)

    @property
    def missing_vector(self) -> tuple[float, ...]:
        return self.default if isinstance(self.default, tuple) else (NAN,) * self.length

    @property
    def cardinality(self) -> int:
        """How many codes there are, the unknown one counted; 0 for what is no category."""
        return len(self.categories) + 1 if self.dtype == "category" else 0

    @property
    def length(self) -> int:
        """Numbers of a vector; 0 for what is none."""
        return length_of(self.dtype)

    @property
    def is_number(self) -> bool:
        """Whether it is one number; a truth counts as 0 or 1."""
        return is_number(self.dtype)

    @property
    def is_text(self) -> bool:
        return is_text(self.dtype)

    @property
    def places(self) -> tuple[str, ...]:
        """The names of its places in one tensor; none for a text, which has no numbers."""
        if self.dtype == "text":
            return ()
        return tuple(f"{self.name}[{place}]" for place in range(self.length)) if self.length else (self.name,)

    @property
    def array(self) -> str:
        """NumPy's name of the type of its column, where the model takes columns. A whole number or a truth has no missing value,
        so it keeps its type only where the spec gives a default."""
        if self.is_text:
            return "object"
        whole = {"int": "int64", "bool": "bool"}.get(self.dtype)
        return whole if whole is not None and self.default is not None else "float32"

    def to_json(self) -> dict[str, Any]:
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        entry: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "default": default}
        return {**entry, "categories": list(self.categories)} if self.dtype == "category" else entry

    @classmethod
    def from_json(cls, value: Any) -> Input:
        default = value.get("default")
        categories = tuple(value.get("categories", ()))
        return cls(value["name"], value["dtype"], tuple(default) if isinstance(default, list) else default, categories)

    @property
    def kind(self) -> str:
        return kind_of(self.dtype)
