"""The mergeable summary of one column over some rows. Every statistic of drift and quality is computed from it.

Summaries of two disjoint sets of rows add up to the summary of their union, in any order and grouping: so any window
and any segment is the merge of its parts, and no row is read twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Self

import numpy as np
import numpy.typing as npt

from include.monitoring.profile.binning import Axis, Counts

KEPT = 256  # of so many smallest hashes the distinct values are counted: exactly below this, within 6 percent above

Hashes = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Summary:
    """`count` rows, of which `missing` are null (or not finite) and `unseen` are outside the vocabulary.

    `mean`, `m2` (sum of squared deviations), `low`, `high`: of the present values of a numeric column. `bins` [bins];
    `cells` [cells + 2] of a numeric column, `hashes` (ascending): None where the part was kept without them.
    """

    count: int
    missing: int
    unseen: int
    bins: Counts
    mean: float = 0.0
    m2: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    cells: Counts | None = None
    hashes: Hashes | None = field(default=None)

    @classmethod
    def empty(cls, axis: Axis) -> Self:
        """Of no rows: merged with another it changes nothing."""
        cells = np.zeros(axis.cells + 2, dtype=np.int64) if axis.numeric else None
        return cls(0, 0, 0, np.zeros(axis.bins, dtype=np.int64), cells=cells, hashes=np.empty(0, dtype=np.uint32))

    @property
    def present(self) -> int:
        return self.count - self.missing - self.unseen

    @property
    def variance(self) -> float:
        return self.m2 / (self.present - 1) if self.present > 1 else 0.0

    @property
    def distinct(self) -> float | None:
        """Distinct present values: exact below KEPT, else estimated from how dense the smallest hashes lie (bottom-k)."""
        if self.hashes is None:
            return None
        return float(len(self.hashes)) if len(self.hashes) < KEPT else (KEPT - 1) / (int(self.hashes[-1]) + 1) * 2.0**32

    def merge(self, other: Self) -> Self:
        """The summary of both sets of rows (moments: Chan, Golub, LeVeque 1979)."""
        total = self.present + other.present
        delta = other.mean - self.mean
        return type(self)(
            self.count + other.count,
            self.missing + other.missing,
            self.unseen + other.unseen,
            self.bins + other.bins,
            (self.mean * self.present + other.mean * other.present) / total if total else 0.0,
            self.m2 + other.m2 + (delta * delta * (self.present * other.present / total) if total else 0.0),
            min(self.low, other.low),
            max(self.high, other.high),
            None if self.cells is None or other.cells is None else self.cells + other.cells,
            None if self.hashes is None or other.hashes is None else smallest(np.concatenate([self.hashes, other.hashes])),
        )

    def equals(self, other: Self) -> bool:
        """Equal counts and sketches; moments as near as sums in another order can be."""
        numbers = np.allclose([self.mean, self.m2], [other.mean, other.m2], rtol=1e-9, atol=1e-9)
        ends = (self.low, self.high) == (other.low, other.high)
        own = (self.count, self.missing, self.unseen) == (other.count, other.missing, other.unseen)
        arrays = ((self.bins, other.bins), (self.cells, other.cells), (self.hashes, other.hashes))
        return bool(numbers and ends and own and all(_same(a, b) for a, b in arrays))


def merged(parts: Iterable[Summary]) -> Summary:
    """At least one."""
    return reduce(Summary.merge, parts)


def smallest(hashes: Hashes) -> Hashes:
    """The KEPT smallest of them, each once, ascending. (NumPy's unique would hash them first: far slower than sorting.)"""
    ordered = np.sort(hashes)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    result: Hashes = ordered[first][:KEPT]
    return result


def _same(a: npt.NDArray[np.integer] | None, b: npt.NDArray[np.integer] | None) -> bool:
    return a is b if a is None or b is None else bool(np.array_equal(a, b))
