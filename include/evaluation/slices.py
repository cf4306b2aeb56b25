"""Metrics by slice: a model that is good on average may be bad for one airport."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.request import Json
from include.core.spec import Evaluation
from include.metrics.paired import Groups, difference
from include.metrics.values import Array, auc, log_loss

MINIMUM = 100  # rows: below, a slice's AUC is noise and the slice is left out
CLASS_ROWS = 20  # of each label, for a slice to be compared with the champion


def by_slice(table: pa.Table, names: Sequence[str], labels: Array, scores: Array) -> list[dict[str, Json]]:
    """A row for each value of each named column: slice, value, rows, rate, auc, log_loss. Largest first."""
    rows: list[dict[str, Json]] = []
    for name in names:
        if name not in table.column_names:
            raise DataError(f"The holdout has no column {name!r} to slice by.", seen=table.column_names)
        values = np.array([str(value) for value in table[name].to_pylist()])
        found = [_slice(name, value, values == value, labels, scores) for value in np.unique(values)]
        rows += sorted((row for row in found if row["rows"] >= MINIMUM), key=lambda row: -int(row["rows"]))
    return rows


def _slice(name: str, value: str, inside: np.ndarray, labels: Array, scores: Array) -> dict[str, Json]:
    area = auc(labels[inside], scores[inside])
    return {
        "slice": name,
        "value": value,
        "rows": int(inside.sum()),
        "rate": round(float(labels[inside].mean()), 4),
        "auc": round(area, 4) if area == area else None,
        "log_loss": round(log_loss(labels[inside], scores[inside]), 4),
    }


def paired_slices(
    table: pa.Table, spec: Evaluation, labels: Array, scores: tuple[Array, Array], groups: Groups
) -> list[dict[str, Json]]:
    """slice, value and the Difference of `scores` (challenger's, champion's) in each slice that has the rows for one."""
    rows: list[dict[str, Json]] = []
    for name in spec.slices:
        values = np.array([str(value) for value in table[name].to_pylist()])
        for value in np.unique(values):
            here = values == value
            if min(labels[here].sum(), (1 - labels[here]).sum()) >= CLASS_ROWS and here.sum() >= MINIMUM:
                found = difference(spec.metric, labels[here], scores[0][here], scores[1][here], groups[here])
                rows.append({"slice": name, "value": str(value), **found.to_json()})
    return rows
