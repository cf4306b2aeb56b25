"""Metrics by slice: a model that is good on average may be bad for one airport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.metrics.arrays import Bools, Values
from include.metrics.binary import auc, log_loss
from include.metrics.paired import Difference
from include.step_values.evaluation import PairedSlice, SliceValue

MINIMUM = 100  # the AUC of fewer rows is noise, so the slice is left out
CLASS_ROWS = 20  # a slice with fewer rows of either label is not compared with the champion


def by_slice(table: pa.Table, names: Sequence[str], labels: Values, scores: Values) -> list[SliceValue]:
    """A row for each value of each named column: slice, value, rows, rate, auc, log_loss. Largest first."""
    rows: list[SliceValue] = []
    for name in names:
        if name not in table.column_names:
            raise DataError(f"The holdout has no column {name!r} to slice by.", seen=table.column_names)
        found = [_slice(name, value, labels[inside], scores[inside]) for value, inside in _values(table, name)]
        rows += sorted((row for row in found if row["rows"] >= MINIMUM), key=lambda row: -row["rows"])
    return rows


def paired_slices(
    table: pa.Table, names: Sequence[str], labels: Values, compare: Callable[[Bools], Difference]
) -> list[PairedSlice]:
    """slice, value and the Difference in each slice that has the rows for one. `compare`: of the rows [n] that are chosen."""
    rows: list[PairedSlice] = []
    for name in names:
        for value, inside in _values(table, name):
            positives, chosen = int(labels[inside].sum()), int(inside.sum())
            if min(positives, chosen - positives) >= CLASS_ROWS and chosen >= MINIMUM:
                rows.append({"slice": name, "value": value, **compare(inside).to_json()})
    return rows


def _values(table: pa.Table, name: str) -> Iterator[tuple[str, Bools]]:
    """Each value of a column as text, and which rows [n] have it."""
    values = np.array([str(value) for value in table[name].to_pylist()])
    for value in np.unique(values):
        yield str(value), values == value


def _slice(name: str, value: str, labels: Values, scores: Values) -> SliceValue:
    area = auc(labels, scores)
    return {
        "slice": name,
        "value": value,
        "rows": len(labels),
        "rate": round(float(labels.mean()), 4),
        "auc": round(area, 4) if area == area else None,
        "log_loss": round(log_loss(labels, scores), 4),
    }
