"""A metric of any kind of problem: its value, and by how much each row moves it.

Most metrics are a ratio of two sums over rows. Those that are not give their influence themselves (include/metrics/errors.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from include.metrics.arrays import Floats
from include.metrics.binary import share
from include.metrics.errors import Influence
from include.problems.truth import Outputs, Truth

Ratio = Callable[[Truth, Outputs], tuple[Floats, Floats]]
"""What each row [n] adds above and below the line of the ratio."""


@dataclass(frozen=True)
class Metric:
    """`title`: as a sentence names it. `decided`: it depends on the decisions, and so on where they are made.

    `influence`: of truth and outputs; NaN throughout where the metric, or its spread, is not defined. `value`: where the metric
    is defined for fewer rows than its spread. `of_label`: it has the label's unit, so a margin of it has that unit, too.
    """

    title: str
    influence: Callable[[Truth, Outputs], Influence]
    higher_is_better: bool = True
    decided: bool = False
    value: Callable[[Truth, Outputs], float] | None = None
    of_label: bool = False

    def measured(self, truth: Truth, outputs: Outputs) -> float:
        """The metric on these rows; NaN where it is not defined."""
        return self.value(truth, outputs) if self.value is not None else self.influence(truth, outputs).value

    def worse_by(self, value: float, than: float) -> float:
        """By how much `value` is the worse one, in the metric's own unit; negative if it is better."""
        return than - value if self.higher_is_better else value - than


def nothing(rows: int) -> Influence:
    """Of a metric that is not defined on these rows."""
    return Influence(math.nan, np.full(rows, math.nan))


def ratio_influence(ratio: Ratio) -> Callable[[Truth, Outputs], Influence]:
    """The linearised influence of a ratio of two sums (Cochran 1977, 6.3). Rows count by their weight."""

    def influence(truth: Truth, outputs: Outputs) -> Influence:
        if not len(truth):
            return nothing(0)
        above, below = ratio(truth, outputs)
        if truth.weight is not None:
            above, below = above * truth.weight, below * truth.weight
        value, total = share(above, below), below.sum()
        return Influence(value, (above - value * below) / total if total else np.zeros(len(truth)))

    return influence


def mean_of(loss: Callable[[Truth, Outputs], Floats]) -> Callable[[Truth, Outputs], Influence]:
    """The influence of the mean of a loss a row [n]."""
    return ratio_influence(lambda truth, outputs: (loss(truth, outputs), np.ones(len(truth))))


def transformed(found: Influence, value: float, slope: float) -> Influence:
    """Of a smooth function of a metric: its value, and its slope there (the delta method)."""
    return Influence(value, found.rows * slope, found.positive)
