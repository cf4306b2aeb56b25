"""Logistic regression that adds up one step function a column: what recalibration and density ratios are made of.

Columns become a few codes each (quantile bins, common categories, missing). Ridge-penalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import expit

from include.monitoring.logistic import newton
from include.monitoring.profile.binning import Axis, Floats
from include.monitoring.profile.column_scan import codes_of

BINS = 8
LEVELS = 15  # the commonest categories; all others share a code
BEYOND = 0.25  # of the span of the known values: so far outside nothing is known any more
STEPS = 12  # of Newton's method, at most
CLOSE = 1e-4  # in log odds: when a coefficient counts as found

Codes = npt.NDArray[np.intp]
Design = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """How a column becomes codes. Numeric: places between `edges`, then missing. Category: its place, other, missing."""

    axis: Axis
    edges: Floats
    levels: Axis | None = None

    @classmethod
    def of(cls, axis: Axis, column: pa.ChunkedArray, bins: int = BINS) -> Self:
        """From the rows that a model is fitted on; far beyond their range there is a code of its own, with no row in it."""
        if not axis.numeric:
            return cls(axis, np.empty(0), Axis(axis.name, "category", categories=axis.categories[:LEVELS]))
        values = _numbers(column)
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(axis, np.empty(0))
        inner = _between(np.unique(known), np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
        span = known.max() - known.min() or max(abs(known.max()), 1.0) * 1e-3
        ends = (known.min() - BEYOND * span, np.nextafter(known.max() + BEYOND * span, np.inf))
        return cls(axis, np.unique(np.concatenate([inner, ends])))

    @property
    def size(self) -> int:
        return (len(self.edges) if self.levels is None else len(self.levels.categories)) + 2

    def codes(self, column: pa.ChunkedArray) -> Codes:
        if self.levels is None:
            values = _numbers(column)
            found = np.searchsorted(self.edges, values, side="right").astype(np.intp)
        else:
            places, _, _ = codes_of(column, self.levels)
            found = np.where(places < 0, self.size - 2, places).astype(np.intp)
        missing = np.asarray(column.is_null(nan_is_null=True).to_numpy(), dtype=bool)
        return np.where(missing, self.size - 1, found)


def _between(values: Floats, quantiles: Floats) -> Floats:
    """Edges that part distinct values as the quantiles do, halfway between two: a value's last bit moves it nowhere."""
    after = np.searchsorted(values, quantiles)
    after = after[(after > 0) & (after < len(values))]
    return values[after - 1] / 2 + values[after] / 2


def design(scales: Sequence[Scale], table: pa.Table) -> Design:
    """[n, sum of sizes]: a one for each column's code."""
    rows = np.arange(table.num_rows)
    result = np.zeros((table.num_rows, sum(scale.size for scale in scales)), dtype=np.float32)
    start = 0
    for scale in scales:
        result[rows, start + scale.codes(table[scale.axis.name])] = 1
        start += scale.size
    return result


def fit(rows: Design, target: Floats, weight: Floats, ridge: float, offset: Floats | float = 0.0) -> Floats:
    """Coefficients [1 + columns]. `target` [n] within 0 and 1; `offset`: log odds known before."""
    columns = np.hstack([np.ones((len(rows), 1), dtype=np.float32), rows])
    penalty = np.full(columns.shape[1], ridge)
    penalty[0] = 1e-6
    return newton(columns, target, weight, penalty, offset, close=CLOSE, steps=STEPS).coefficients


def predict(rows: Design, coefficients: Floats, offset: Floats | float = 0.0) -> Floats:
    """Probabilities [n]."""
    result: Floats = expit(rows @ coefficients[1:].astype(np.float32) + coefficients[0] + offset).astype(np.float64)
    return result


def _numbers(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.cast(pa.float64()).to_numpy()
    return values
