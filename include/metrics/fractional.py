"""A metric where each score holds a fraction of a yes and of a no: what it comes to if labels are only known by chance.

Fractions may lie below zero, where an estimate takes back what another one has counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from include.metrics.arrays import Floats
from include.metrics.binary import METRICS
from include.metrics.calibration import BINS, bin_of


@dataclass(frozen=True)
class FractionalMetric:
    """One metric over fixed scores [n], asked for many fractions: what depends on the scores alone is computed once."""

    name: str
    score: Floats
    threshold: float

    def value(self, yes: Floats, no: Floats) -> float:
        """Where so many yeses and noes [n] lie at each score."""
        if self.name == "auc":
            ups, downs = np.bincount(self._place, yes), np.bincount(self._place, no)
            below = np.cumsum(downs) - downs / 2
            return float(np.clip(ups @ below / (ups.sum() * downs.sum()), 0, 1))
        if self.name == "ece":
            residual = self.score * (yes + no) - yes
            return float(np.abs(np.bincount(self._bin, residual, BINS)).sum() / (yes.sum() + no.sum()))
        (up_above, up_below), (down_above, down_below) = self._terms
        total = up_below @ yes + down_below @ no
        return float((up_above @ yes + down_above @ no) / total) if total else 0.0

    @cached_property
    def _place(self) -> NDArray[np.intp]:
        """Equal scores share a place."""
        return np.unique(self.score, return_inverse=True)[1]

    @cached_property
    def _bin(self) -> NDArray[np.intp]:
        return bin_of(self.score)

    @cached_property
    def _terms(self) -> list[tuple[Floats, Floats]]:
        """Above and below the ratio's line, of a yes and of a no at each score."""
        ratio = METRICS[self.name].ratio
        assert ratio is not None
        return [ratio(np.full(len(self.score), label), self.score, self.threshold) for label in (1.0, 0.0)]
