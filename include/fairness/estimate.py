"""A figure of one group with its interval.

The interval of a share is Clopper's and Pearson's on an effective number of rows (Korn, Graubard 1998): so many independent,
equally weighted rows as would tell as much. It keeps its level near 0 and 1, where groups are small and rates are low.

Rows that share a day or a person are no independent witnesses: errors are taken by rows, by days and by people, and the largest
counts, as in include/metrics/errors.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, stdtrit

from include.metrics.arrays import Bools, Floats, Groups
from include.metrics.errors import ENOUGH_GROUPS

Places = npt.NDArray[np.intp]


class Clusters:
    """Rows [n] that share a day, or a person. Either may be unknown."""

    def __init__(self, day: Groups | None = None, person: Groups | None = None) -> None:
        self.day, self.person = _dense(day), _dense(person)

    def take(self, chosen: Bools) -> Clusters:
        """Of some rows."""
        return Clusters(*(None if each is None else each[chosen] for each in (self.day, self.person)))

    def daily(self, at: Places, moved: Floats) -> Floats:
        """What the rows at these places move, by day [days]; empty where days are unknown."""
        if self.day is None:
            return np.empty(0)
        return np.bincount(self.day[at], moved, self._days).astype(np.float64)

    @cached_property
    def _days(self) -> int:
        return int(self.day.max()) + 1 if self.day is not None and len(self.day) else 0

    def spread(self, at: Places, moved: Floats) -> tuple[float, float]:
        """The standard error of a sum of influences of the rows at these places, and its degrees of freedom."""
        found, freedom = spread(moved), max(len(moved) - 1, 1)
        for each in (self.day, self.person):
            if each is None:
                continue
            _, place = np.unique(each[at], return_inverse=True)
            sums = np.bincount(place, moved).astype(np.float64)
            if ENOUGH_GROUPS <= len(sums) < len(moved) and (error := spread(sums)) > found:
                found, freedom = error, len(sums) - 1
        return found, float(freedom)


@dataclass(frozen=True)
class Estimate:
    """A mean over the rows at some places. `moved`: by how much each of them moves it; `daily`: the same by day.

    `error`: its standard error, estimated with `freedom` degrees of freedom. `share`: whether it lies within 0 and 1; it is then
    worth `size` independent rows.
    """

    value: float
    at: Places
    moved: Floats
    daily: Floats
    error: float
    freedom: float
    size: float
    share: bool

    @property
    def rows(self) -> int:
        """Of how many it is the mean."""
        return len(self.at)

    def low(self, level: float) -> float:
        """The least that is believable: above the truth with probability `level` at most."""
        if not self.share:
            return self.value - self.error * quantile(self.freedom, level)
        size = self._size(level)
        ups = size * self.value
        return float(betaincinv(ups, size - ups + 1, level)) if ups > 0 else 0.0

    def high(self, level: float) -> float:
        """The most, likewise."""
        if not self.share:
            return self.value + self.error * quantile(self.freedom, level)
        size = self._size(level)
        downs = size * (1 - self.value)
        return float(betaincinv(size - downs + 1, downs, 1 - level)) if downs > 0 else 1.0

    def _size(self, level: float) -> float:
        """Less where few days or people tell of their own spread (Korn and Graubard's ratio of quantiles)."""
        if self.freedom >= self.rows - 1:
            return self.size
        return self.size * (quantile(self.rows - 1, level) / quantile(self.freedom, level)) ** 2


def mean(values: Floats, inside: Bools, weight: Floats, clusters: Clusters, share: bool, pooled: float = 1.0) -> Estimate | None:
    """Of the values [n] of the rows that are `inside` [n]; None without rows. `weight` [n]: how much each counts.

    `pooled`: by how much clusters widen the variance of the same figure over all groups. It stands in where a group tells no
    spread, for all its rows say the same.
    """
    at = np.flatnonzero(inside)
    weights = weight[at]
    total = float(weights.sum())
    if not len(at) or total <= 0:
        return None
    value = float((weights * values[at]).sum() / total)
    if share:
        value = min(1.0, max(0.0, value))
    moved: Floats = weights * (values[at] - value) / total
    error, freedom = clusters.spread(at, moved)
    alone = spread(moved)
    size = total**2 / float(np.square(weights).sum())
    if share and 0 < value < 1 and error > 0:
        size = min(size / max(1.0, (error / alone) ** 2), value * (1 - value) / error**2)
    elif share:
        size /= max(1.0, pooled)
    return Estimate(value, at, moved, clusters.daily(at, moved), error, freedom, size, share)


def widening(values: Floats, inside: Bools, weight: Floats, clusters: Clusters) -> float:
    """By how much clusters widen the variance of a mean over the rows that are `inside`: 1 where they do not."""
    found = mean(values, inside, weight, clusters, share=False)
    alone = spread(found.moved) if found is not None else 0.0
    return max(1.0, (found.error / alone) ** 2) if found is not None and alone > 0 else 1.0


def spread(moved: Floats) -> float:
    """The standard error of a sum of independent influences, which add up to 0. Of one alone nothing is known: 0."""
    n = len(moved)
    return float(np.sqrt(n / (n - 1) * np.square(moved).sum())) if n > 1 else 0.0


def quantile(freedom: float, level: float) -> float:
    """Of Student's t: what is passed with probability `level`."""
    return float(stdtrit(freedom, 1 - level))


def _dense(groups: Groups | None) -> Groups | None:
    if groups is None:
        return None
    found: Groups = np.unique(groups, return_inverse=True)[1].reshape(-1)
    return found
