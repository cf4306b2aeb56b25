"""Two models on the same rows: how much worse is the one, and how sure is that?

The difference of a metric has far less noise than the two values beside each other, for what both get wrong cancels. Its
error comes from the difference of the two influences of each row (include/metrics/errors.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from include.metrics.arrays import Groups, Values
from include.metrics.binary import worse_by
from include.metrics.errors import Influence, influence
from include.step_values.evaluation import DifferenceValue


@dataclass(frozen=True)
class Difference:
    """By how much the challenger is `worse`, in the metric's own unit (negative: better), with its standard error.

    `error` is NaN where the rows tell none. `freedom`: the degrees of freedom that it was estimated with.
    """

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

    def to_json(self) -> DifferenceValue:
        return {
            "worse": _finite(self.worse),
            "error": _finite(self.error),
            "freedom": _finite(self.freedom),
            "rows": _finite(self.rows),
        }

    @classmethod
    def from_json(cls, body: object) -> Difference:
        """Raises KeyError, TypeError or ValueError for anything that is no difference."""
        if not isinstance(body, Mapping):
            raise TypeError(f"a difference is an object, not {type(body).__name__}")
        error = math.nan if body["error"] is None else _number(body["error"])
        return cls(_number(body["worse"]), error, int(_number(body["freedom"])), int(_number(body["rows"])))


def difference(metric: str, labels: Values, challenger: Values, champion: Values, groups: Groups, threshold: float) -> Difference:
    """Of two models' scores [n] of the same rows. `groups` [n]: rows that share something, such as their day.

    NaN where the metric is not defined on these rows.
    """
    ours, theirs = (influence(metric, labels, scores, threshold) for scores in (challenger, champion))
    return difference_of(ours, theirs, worse_by(metric, ours.value, theirs.value), groups, len(labels))


def difference_of(ours: Influence, theirs: Influence, worse: float, groups: Groups, units: int) -> Difference:
    """Of two influences on the same rows, of `units` observations. `worse`: by how much ours is the worse one."""
    moved = ours - theirs
    by_row = moved.row_error()
    by_group, found = moved.group_error(groups)
    if by_group > by_row:
        return Difference(worse, by_group, found - 1, units)
    return Difference(worse, by_row, max(units - 1, 1), units)


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return round(value, 6) if math.isfinite(value) else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"no number: {value!r}")
    return float(value)
