"""Standard errors of metrics, by each row's influence on them.

A metric is a smooth function of sums over rows, so its error is that of a sum: each row moves the metric by its influence,
and the influences of all rows add up to 0. For a mean that is the textbook's error, for a ratio the linearised one (Cochran
1977, 6.3), for the AUC DeLong's, by class (DeLong, DeLong, Clarke-Pearson 1988).

Rows of a group (a day shares its weather and its traffic) are no independent witnesses: their influences are added up
first, and groups are what is drawn (Obuchowski 1997). The larger of the two errors counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from include.metrics.arrays import Bools, Floats, Groups, Values
from include.metrics.binary import METRICS, share
from include.metrics.calibration import gaps
from include.metrics.ranks import placements

ENOUGH_GROUPS = 3  # fewer say nothing of how groups differ
ENOUGH_OF_A_CLASS = 2  # fewer rows of a class tell no spread


@dataclass(frozen=True)
class Influence:
    """`value` of a metric, and by how much each row [n] moves it. Where `positive` is given, the two classes are separate
    samples, and each has its own spread."""

    value: float
    rows: Floats
    positive: Bools | None = None

    def __sub__(self, other: Influence) -> Influence:
        """Of the difference of two metrics on the same rows: what moves both cancels."""
        return Influence(self.value - other.value, self.rows - other.rows, self.positive)

    def row_error(self) -> float:
        """The standard error where rows are independent. NaN where one row or none tells no spread."""
        if self.positive is None:
            return _spread(self.rows)
        return math.hypot(_spread(self.rows[self.positive]), _spread(self.rows[~self.positive]))

    def group_error(self, groups: Groups) -> tuple[float, int]:
        """The standard error where groups are independent, and their number. 0 where they are too few to tell."""
        _, place = np.unique(groups, return_inverse=True)
        sums = np.bincount(place, self.rows).astype(np.float64)
        return (_spread(sums) if len(sums) >= ENOUGH_GROUPS else 0.0), len(sums)

    def error(self, groups: Groups) -> float:
        """The larger of the two."""
        return max(self.row_error(), self.group_error(groups)[0])


def influence(name: str, labels: Values, scores: Values, threshold: float) -> Influence:
    """Of one metric on these rows. NaN throughout where the metric, or its spread, is not defined."""
    truth, score = labels.astype(np.float64), scores.astype(np.float64)
    if not len(truth):
        return Influence(math.nan, np.empty(0))
    if name == "auc":
        return _of_auc(truth > 0.5, score)
    ratio = METRICS[name].ratio
    above, below = (gaps(truth, score), np.ones_like(truth)) if ratio is None else ratio(truth, score, threshold)
    value, total = share(above, below), below.sum()
    return Influence(value, (above - value * below) / total if total else np.zeros(len(truth)))


def standard_error(name: str, labels: Values, scores: Values, groups: Groups, threshold: float) -> float:
    """Of one metric on these rows; `groups` [n] of integers: rows that share something, such as their day."""
    return influence(name, labels, scores, threshold).error(groups)


def _of_auc(positive: Bools, scores: Floats) -> Influence:
    n, p = len(positive), int(positive.sum())
    if min(p, n - p) < ENOUGH_OF_A_CLASS:
        return Influence(math.nan, np.full(n, math.nan), positive)
    placed = placements(positive, scores)
    value = float(placed[positive].mean())
    return Influence(value, (placed - value) / np.where(positive, p, n - p), positive)


def _spread(influences: Floats) -> float:
    """The standard error of a sum of independent influences. They add up to 0, so no mean is taken off."""
    n = len(influences)
    return float(np.sqrt(n / (n - 1) * np.square(influences).sum())) if n > 1 else math.nan
