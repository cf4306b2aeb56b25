"""The items of a version: their ids, their vectors, and which of them are popular. One file beside `model.onnx`.

It is written when the model is trained, is one of the files of the result (so its digest is recorded and verified), and is
loaded with the version: the vectors of one training and the query encoder of another would find nonsense, quietly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError, IntegrityError
from include.retrieval.safetensors import Arrays, read_arrays, write_arrays

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

ITEMS = "items.safetensors"
FORMAT = "slipstream.items/1"
WIDEST = 4096  # numbers of a vector
LONGEST_ID = 1000  # characters, as of any key
CANDIDATES = 100  # found for each query, where nothing else is said


@dataclass(frozen=True)
class Items:
    """`vectors` float32 [items, width]: the nearest are those with the largest inner product with the query's vector.

    `popular`: places of items, the most popular first: what is shown where nothing better is known.
    `inputs`: the inputs of the model that the query's vector is made of, in the order of the encoder's.
    `candidates`: how many of the nearest the ranker orders.
    `seen`, `also`: the inputs, texts of ids with blanks between, that list the items which whoever asks has had, and items that
    are candidates whatever the vectors say, such as those that came since the training; empty where there is no such input.
    """

    ids: tuple[str, ...]
    vectors: Floats = field(repr=False)
    popular: Places = field(repr=False)
    inputs: tuple[str, ...] = ()
    candidates: int = CANDIDATES
    seen: str = ""
    also: str = ""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise DataError(
                f"These are no items to recommend: {problem}.",
                seen={"items": len(self.ids), "vectors": list(np.shape(self.vectors))},
                safe="nothing was written.",
                hint="give one finite vector of one length an item, each item once, and the popular ones by their place.",
            )

    @property
    def width(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each item stands."""
        return {item: place for place, item in enumerate(self.ids)}

    def places_of(self, items: Iterable[str]) -> Places:
        """The places of those items that are there; the others are passed over."""
        find = self.places.get
        return np.array([place for item in items if (place := find(item)) is not None], dtype=np.int64)

    def write(self, path: Path) -> None:
        """The same items give the same bytes."""
        encoded = [item.encode() for item in self.ids]
        ends = np.cumsum([len(item) for item in encoded], dtype=np.int64)
        arrays: Arrays = {
            "vectors": self.vectors,
            "popular": self.popular,
            "ids": np.frombuffer(b"".join(encoded), dtype=np.uint8),
            "id_ends": ends,
        }
        told = {"format": FORMAT, "inputs": json.dumps(self.inputs), "candidates": str(self.candidates)}
        told |= {"seen": self.seen, "also": self.also}
        write_arrays(path, arrays, told)


def read_items(path: Path) -> Items:
    """Raises IntegrityError for a file that is none of items, or not whole."""
    arrays, told = read_arrays(path)
    if told.get("format") != FORMAT:
        raise IntegrityError(
            f"{path.name} holds no items of this release's format.", seen=told.get("format"), safe="nothing was taken from it.",
            hint="train the version again, or upgrade Slipstream.",
        )  # fmt: skip
    try:
        ids = _texts(arrays["ids"].tobytes(), arrays["id_ends"])
        inputs, candidates = tuple(json.loads(told["inputs"])), int(told["candidates"])
        return Items(ids, arrays["vectors"], arrays["popular"], inputs, candidates, told["seen"], told["also"])
    except (KeyError, ValueError, TypeError, DataError) as error:
        raise IntegrityError(
            f"{path.name} is not whole: {error!r:.200}.", safe="nothing was taken from it.", hint="train the version again."
        ) from None


def _texts(data: bytes, ends: Places) -> tuple[str, ...]:
    """Raises ValueError for ends that do not divide the data."""
    bounds = [0, *ends.tolist()]
    if bounds[-1] != len(data) or any(first > last for first, last in pairwise(bounds)):
        raise ValueError("the ids do not end where the file says")
    return tuple(data[first:last].decode() for first, last in pairwise(bounds))


def _problem(items: Items) -> str:
    """What is wrong with them; "" if nothing is."""
    if not items.ids:
        return "there is none"
    return _problem_of_ids(items.ids) or _problem_of_vectors(items) or _problem_of_popular(items)


def _problem_of_ids(ids: Sequence[str]) -> str:
    if len(set(ids)) < len(ids):
        return "an id is there more than once"
    wrong = next((each for each in ids if not isinstance(each, str) or not 0 < len(each) <= LONGEST_ID), None)
    return "" if wrong is None else f"the id {wrong!r:.80} is no text of 1 to {LONGEST_ID} characters"


def _problem_of_vectors(items: Items) -> str:
    vectors = items.vectors
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(items.ids):
        return f"the vectors are {vectors.dtype} {list(vectors.shape)}, not float32 [{len(items.ids)}, width]"
    if not 1 <= vectors.shape[1] <= WIDEST:
        return f"a vector has {vectors.shape[1]} numbers, not 1 to {WIDEST}"
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    return f"the vector of {items.ids[bad[0]]!r} is not finite" if len(bad) else ""


def _problem_of_popular(items: Items) -> str:
    popular, count = items.popular, len(items.ids)
    if popular.dtype != np.int64 or popular.ndim != 1 or not len(popular):
        return "there are no popular items"
    if popular.min() < 0 or popular.max() >= count or len(np.unique(popular)) < len(popular):
        return "the popular items are no places of items, each once"
    return "" if items.candidates >= 1 else f"{items.candidates} candidates are none"
