"""Challenger and champion on the same rows: how much worse is the one, and how sure is that?

Both metrics are means over rows, or nearly: each row's influence on their difference is known, and the variance is that
of the influences. AUC: the structural components of DeLong, DeLong, Clarke-Pearson (1988), by midranks (Sun, Xu 2014);
rows of a group (a day shares its weather) are added up first (Obuchowski 1997). Everything is of the difference, so what
both get wrong cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from include.core.request import Json
from include.metrics.roc import placements
from include.metrics.values import EPSILON, Array

Groups = NDArray[np.integer]
ENOUGH_GROUPS = 3  # fewer say nothing of how groups differ


@dataclass(frozen=True)
class Difference:
    """`worse`: by how much the challenger is, in the metric's unit (negative: better); `error` its standard error, NaN
    where the rows tell none; `freedom`: degrees of freedom it was estimated with."""

    worse: float
    error: float
    freedom: int
    rows: int

    def upper(self, level: float) -> float:
        """The worst that is still believable: above the truth except with probability `level`. Infinite if unknown."""
        return self.worse + self.error * float(stdtrit(self.freedom, 1 - level)) if math.isfinite(self.error) else math.inf

    def p_worse(self) -> float:
        """One-sided p-value against "it is no worse". 1 if nothing is known."""
        if not math.isfinite(self.error) or self.worse <= 0:
            return 1.0
        return float(stdtr(self.freedom, -self.worse / self.error)) if self.error > 0 else 0.0

    def to_json(self) -> dict[str, Json]:
        return {name: round(v, 6) if math.isfinite(v) else None for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Difference:
        """Raises KeyError, TypeError or ValueError for anything that is no difference."""
        error = math.nan if body["error"] is None else float(body["error"])
        return cls(float(body["worse"]), error, int(body["freedom"]), int(body["rows"]))


def difference(metric: str, labels: Array, challenger: Array, champion: Array, groups: Groups) -> Difference:
    """Of scores [n] on the same rows. `groups` [n]: rows that share something, such as their day.

    The standard error is the larger of the rows' and the groups'. NaN where the metric is undefined.
    """
    sizes = np.unique(groups, return_counts=True)[1]
    if metric == "auc":
        worse, influence = _auc(labels > 0.5, challenger, champion)
    else:
        loss = _log_losses if metric == "log_loss" else _misses
        each = loss(labels, challenger) - loss(labels, champion)
        worse = float(each.mean()) if len(each) else math.nan
        influence = (each - worse) / max(len(each), 1)
    by_row, by_group = _spread(influence), _spread(_sums(influence, groups))
    if len(sizes) >= ENOUGH_GROUPS and by_group > by_row:
        return Difference(worse, by_group, len(sizes) - 1, len(labels))
    return Difference(worse, by_row, max(len(labels) - 1, 1), len(labels))


def _auc(positive: NDArray[np.bool_], challenger: Array, champion: Array) -> tuple[float, NDArray[np.float64]]:
    n, p = len(positive), int(positive.sum())
    if min(p, n - p) < 2:
        return math.nan, np.full(n, math.nan)
    ours, theirs = (placements(positive, scores) for scores in (challenger, champion))
    gap = theirs - ours
    worse = float(gap[positive].mean())
    influence = np.where(positive, (gap - worse) / p, (gap - worse) / (n - p))
    return worse, influence


def _log_losses(labels: Array, scores: Array) -> NDArray[np.float64]:
    p = np.clip(scores.astype(np.float64), EPSILON, 1 - EPSILON)
    losses: NDArray[np.float64] = -np.where(labels > 0.5, np.log(p), np.log1p(-p))
    return losses


def _misses(labels: Array, scores: Array) -> NDArray[np.float64]:
    missed: NDArray[np.float64] = ((scores >= 0.5) != (labels > 0.5)).astype(np.float64)
    return missed


def _spread(influence: NDArray[np.float64]) -> float:
    """The standard error of a sum of independent influences."""
    n = len(influence)
    return float(np.sqrt(n / (n - 1) * np.square(influence).sum())) if n > 1 else math.nan


def _sums(influence: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    _, place = np.unique(groups, return_inverse=True)
    sums: NDArray[np.float64] = np.bincount(place, influence).astype(np.float64)
    return sums
