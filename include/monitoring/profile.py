"""One mergeable summary a column: what every statistic of drift and quality is computed from.

A numeric column is counted into bins with fixed edges (quantiles of the champion's training set), a
category into the champion's vocabulary. Summaries of two disjoint sets of rows add up to the summary of
their union, so any window is the merge of its parts and no row is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.request import Json
from include.core.spec import Dtype, Feature

BINS = 20
VOCABULARY = 1000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """What a column's values are counted into: inner bin edges (upper ends, inclusive), or categories."""

    name: str
    dtype: Dtype
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def bins(self) -> int:
        return len(self.categories) if self.dtype == "category" else len(self.edges) + 1

    @classmethod
    def of(cls, feature: Feature, column: pa.ChunkedArray) -> Self:
        """The axis that the champion's training column lays down. A column of nulls gives an axis of one bin, or none."""
        if feature.dtype == "category":
            counts = pc.value_counts(column.cast(pa.string()).drop_null()).to_pylist()
            ranked = sorted(counts, key=lambda pair: (-pair["counts"], pair["values"]))
            return cls(feature.name, feature.dtype, categories=tuple(pair["values"] for pair in ranked[:VOCABULARY]))
        values = finite(column)
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")) if len(values) else np.empty(0)
        return cls(feature.name, feature.dtype, edges=tuple(float(edge) for edge in edges))


@dataclass(frozen=True)
class Summary:
    """`count` rows, of which `missing` are null (or not finite) and `unseen` are outside the vocabulary.

    `mean` and `m2` (sum of squared deviations) are of the present values of a numeric column.
    """

    count: int
    missing: int
    unseen: int
    mean: float
    m2: float
    bins: tuple[int, ...]

    @property
    def present(self) -> int:
        return self.count - self.missing - self.unseen

    @property
    def variance(self) -> float:
        return self.m2 / (self.present - 1) if self.present > 1 else 0.0

    def merge(self, other: Self) -> Self:
        """The summary of both sets of rows (Chan, Golub, LeVeque 1979 for the moments)."""
        total = self.present + other.present
        delta = other.mean - self.mean
        return type(self)(
            self.count + other.count,
            self.missing + other.missing,
            self.unseen + other.unseen,
            self.mean + delta * other.present / total if total else 0.0,
            self.m2 + other.m2 + (delta * delta * self.present * other.present / total if total else 0.0),
            tuple(a + b for a, b in zip(self.bins, other.bins, strict=True)),
        )


Profile = Mapping[str, Summary]


def axes(features: Sequence[Feature], training: pa.Table) -> list[Axis]:
    """An axis for each feature that the training set holds."""
    return [Axis.of(feature, training[feature.name]) for feature in features if feature.name in training.column_names]


def profile(table: pa.Table, axes: Sequence[Axis]) -> dict[str, Summary]:
    """A summary for each axis whose column the table has, in one pass over each column."""
    return {axis.name: summarize(table[axis.name], axis) for axis in axes if axis.name in table.column_names}


def summarize(column: pa.ChunkedArray, axis: Axis) -> Summary:
    if axis.dtype == "category":
        return _categories(column, axis)
    values = finite(column)
    bins = np.bincount(np.searchsorted(np.asarray(axis.edges), values, side="left"), minlength=axis.bins)
    mean = float(values.mean()) if len(values) else 0.0
    m2 = float(np.square(values - mean).sum())
    return Summary(len(column), len(column) - len(values), 0, mean, m2, tuple(int(count) for count in bins))


def _categories(column: pa.ChunkedArray, axis: Axis) -> Summary:
    text = column.cast(pa.string())
    codes = pc.index_in(text, value_set=pa.array(axis.categories, pa.string())).drop_null().to_numpy()
    missing = text.null_count
    bins = np.bincount(codes, minlength=axis.bins)
    return Summary(len(column), missing, len(column) - missing - len(codes), 0.0, 0.0, tuple(int(count) for count in bins))


def finite(column: pa.ChunkedArray) -> Floats:
    """The present values of a numeric column as float64: nulls, NaN and infinities dropped."""
    values: Floats = column.cast(pa.float64()).drop_null().to_numpy()
    return values[np.isfinite(values)]


def to_json(axes: Sequence[Axis], profiles: Mapping[str, Profile]) -> dict[str, Json]:
    """`profile.json`: the axes, and the summaries of each named set of rows (the window, each past window)."""
    body: dict[str, Any] = {"axes": [asdict(axis) for axis in axes]}
    body["profiles"] = {name: {column: asdict(summary) for column, summary in rows.items()} for name, rows in profiles.items()}
    return body


def from_json(body: Mapping[str, Any]) -> tuple[list[Axis], dict[str, dict[str, Summary]]]:
    axes = [Axis(a["name"], a["dtype"], tuple(a["edges"]), tuple(a["categories"])) for a in body["axes"]]
    rows = {
        name: {column: Summary(**{**summary, "bins": tuple(summary["bins"])}) for column, summary in columns.items()}
        for name, columns in body["profiles"].items()
    }
    return axes, rows
