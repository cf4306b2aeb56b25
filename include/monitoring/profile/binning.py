"""What a column's values are counted into. Laid down once by the champion's training set, so that summaries add up.

A numeric column has a fine grid of equal cells (for KS, Wasserstein, any later question) and, folded from it, some
twenty bins of about equal mass (for PSI, chi-square, the drift test). A category has the champion's vocabulary.

Cells and bins end between the values there are, not at them (see `grid`): the same number comes back a last bit
apart from another computation or through single precision, and that is no drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Dtype, Feature
from include.core.spec.dtypes import kind_of
from include.monitoring.profile.derived import TEXT, VECTOR, basis_of, derived
from include.monitoring.profile.grid import CELLS, anchors_of, laid_out

BINS = 20
VOCABULARY = 1000

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Numeric: cell 0 is below `low`, cells 1 to `cells` are `step` wide, cell `cells` + 1 is above. `cuts`: the last
    cell of each bin but the last. Category: a bin for each of `categories`."""

    name: str
    dtype: Dtype = "float"
    low: float = 0.0
    step: float = 1.0
    cells: int = 0
    cuts: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()
    source: str = ""
    """The column of texts or vectors that the values are computed of (include/monitoring/profile/derived.py); "" of a column
    that is there itself."""
    measure: str = ""
    basis: tuple[float, ...] = ()

    @property
    def column(self) -> str:
        """The input that it tells of."""
        return self.source or self.name

    @property
    def numeric(self) -> bool:
        return self.dtype != "category"

    @property
    def bins(self) -> int:
        return len(self.cuts) + 1 if self.numeric else len(self.categories)

    @cached_property
    def edges(self) -> Floats:
        """Inner edges of the bins: a value at an edge belongs above it."""
        return self.low + self.step * np.asarray(self.cuts, dtype=np.float64)

    def fold(self, cells: Counts) -> Counts:
        """Bin counts [..., bins] of cell counts [..., cells + 2]."""
        starts = np.array([0, *(cut + 1 for cut in self.cuts)], dtype=np.intp)
        folded: Counts = np.add.reduceat(cells, starts, axis=-1)
        return folded

    def place(self, values: Floats) -> npt.NDArray[np.intp]:
        """The cell of each finite value."""
        cells: npt.NDArray[np.intp] = np.clip(np.floor((values - self.low) / self.step) + 1, 0, self.cells + 1).astype(np.intp)
        return cells

    def _last_cells(self, quantiles: Floats, values: Floats) -> npt.NDArray[np.intp]:
        """The last cell of a bin that ends with each quantile: halfway to the next of `values`, where there is one."""
        after = np.searchsorted(values, quantiles, side="right")
        following = values[np.minimum(after, len(values) - 1)]
        here, there = self.place(quantiles), self.place(np.maximum(quantiles, following))
        cells: npt.NDArray[np.intp] = here + np.maximum(there - here - 1, 0) // 2
        return cells

    @classmethod
    def of(cls, feature: Feature, column: pa.ChunkedArray) -> Self:
        """The axis that a reference column lays down. A column of nulls gives an axis of one bin, or none."""
        if feature.dtype == "category":
            counts = pc.value_counts(column.cast(pa.string()).drop_null()).to_pylist()
            ranked = sorted(counts, key=lambda pair: (-pair["counts"], pair["values"]))
            return cls(feature.name, feature.dtype, categories=tuple(pair["values"] for pair in ranked[:VOCABULARY]))
        return cls.spanning(feature.name, feature.dtype, finite(column))

    @classmethod
    def spanning(cls, name: str, dtype: Dtype, values: Floats) -> Self:
        """An axis over finite values, its bins of about equal mass. A value that is very common gets a bin of its own."""
        if not len(values):
            return cls(name, dtype)
        anchors = anchors_of(values)
        low, step = laid_out(values, anchors)
        grid = cls(name, dtype, low, step, CELLS)
        quantiles = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")
        cuts = np.unique(grid._last_cells(quantiles, anchors.values if anchors.all else quantiles))
        return cls(name, dtype, low, step, CELLS, tuple(int(cut) for cut in cuts if cut <= CELLS))


def axes(features: Sequence[Feature], table: pa.Table) -> list[Axis]:
    """An axis for each feature that the table holds; of a text and a vector one for each number that is watched of it."""
    held = [feature for feature in features if feature.name in table.column_names]
    return [axis for feature in held for axis in _axes_of(feature, table[feature.name])]


def _axes_of(feature: Feature, column: pa.ChunkedArray) -> list[Axis]:
    kind = kind_of(feature.dtype)
    if kind not in ("text", "vector"):
        return [Axis.of(feature, column)]
    text = kind == "text"
    measures = [(measure, basis_of(column, measure, text=text)) for measure in (TEXT if text else VECTOR)]
    made = []
    for (measure, basis), values in zip(measures, derived(column, measures, text=text), strict=True):
        axis = Axis.spanning(f"{feature.name}.{measure}", "float", values[np.isfinite(values)])
        made.append(replace(axis, source=feature.name, measure=measure, basis=basis))
    return made


def with_derived(table: pa.Table, axes: Sequence[Axis]) -> pa.Table:
    """The table with the columns that axes are of, where they are computed of a text or a vector that it has."""
    held = set(table.column_names)
    for source in dict.fromkeys(axis.source for axis in axes if axis.source in held and axis.name not in held):
        mine = [axis for axis in axes if axis.source == source]
        text = not pa.types.is_nested(table[source].type)
        values = derived(table[source], [(axis.measure, axis.basis) for axis in mine], text=text)
        for axis, column in zip(mine, values, strict=True):
            table = table.append_column(axis.name, pa.array(column, pa.float64()))
    return table


def finite(column: pa.ChunkedArray) -> Floats:
    """The present values of a numeric column as float64: nulls, NaN and infinities dropped."""
    values: Floats = column.cast(pa.float64()).drop_null().to_numpy()
    return values[np.isfinite(values)]
