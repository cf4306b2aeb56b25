"""The items nearest to a query: all of them compared, up to about 100,000; beyond that through an index of a kept library.

Comparing all is one product of a matrix and a vector: 1,682 items of 32 numbers take some 20 microseconds, 100,000 a millisecond,
a million forty. There it is exact, and an index of a small catalogue would only be slower to keep and wrong now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from include.core.adapters import adapter
from include.core.errors import DataError
from include.retrieval.items import Floats, Items, Places

log = logging.getLogger(__name__)

EXACT_UP_TO = 100_000  # items that are all compared
INDEX = "items.faiss"  # what a larger catalogue brings beside its vectors
Found = tuple[Places, Floats]  # places of items, nearest first, and their inner products


class Nearest(Protocol):
    """Safe for many threads at once."""

    @property
    def exact(self) -> bool: ...

    def search(self, query: Floats, count: int) -> Found:
        """At most `count` items by their inner product with the query float32 [width], largest first; ties by place."""


class Exact:
    """Compares all. One thread, which is the caller's."""

    exact = True

    def __init__(self, vectors: Floats) -> None:
        self._vectors = np.ascontiguousarray(vectors)

    def search(self, query: Floats, count: int) -> Found:
        products = self._vectors @ query
        if count < len(products):
            # Of equal products at the edge the first places are taken, so that the answer is one.
            edge = np.partition(products, -count)[-count]
            above = np.flatnonzero(products > edge)
            places = np.concatenate([above, np.flatnonzero(products == edge)[: count - len(above)]])
        else:
            places = np.arange(len(products))
        order = np.lexsort((places, -products[places]))
        found = places[order].astype(np.int64)
        return found, products[found]


def open_nearest(items: Items, index: Path | None) -> Nearest:
    """Raises IntegrityError for an index that is not of these items.

    :param index: the file beside the items, where the version brings one
    """
    if index is None:
        if len(items.ids) > EXACT_UP_TO:
            log.warning("%d items without an index: each query compares all of them", len(items.ids))
        return Exact(items.vectors)
    opener: Callable[[Path, Items], Nearest] = adapter("nearest")
    try:
        return opener(index, items)
    except ImportError as error:
        log.warning("%d items are all compared with each query, for their index cannot be opened: %s", len(items.ids), error)
        return Exact(items.vectors)


def write_index(path: Path, vectors: Floats) -> bool:
    """Write the index of a large catalogue; False where it is small enough to be compared, and nothing was written.

    Raises DataError where the library for it is not installed.
    """
    if len(vectors) <= EXACT_UP_TO:
        return False
    writer: Callable[[Path, Floats], None] = adapter("nearest.write")
    try:
        writer(path, vectors)
    except ImportError as error:
        raise DataError(
            f"{len(vectors)} items need an index, and its library is not installed: {error}.",
            safe="nothing was written.",
            hint=f"pip install faiss-cpu, or recommend from at most {EXACT_UP_TO:,} items.",
        ) from None
    return True
