"""Metrics by slice: a model that is good on average may be bad for one airport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.metrics.arrays import Bools
from include.metrics.paired import Difference
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import PairedSlice, SliceValue

MINIMUM = 100  # the metrics of fewer rows are noise, so the slice is left out
ENOUGH = 20  # of either class, or of queries: a slice with fewer is not compared with the champion


def by_slice(table: pa.Table, names: Sequence[str], problem: Problem, truth: Truth, outputs: Outputs) -> list[SliceValue]:
    """A row for each value of each named column: slice, value, rows, and the problem's first metrics. Largest first."""
    rows: list[SliceValue] = []
    for name in names:
        if name not in table.column_names:
            raise DataError(f"The holdout has no column {name!r} to slice by.", seen=table.column_names)
        found = [
            (int(inside.sum()), _slice(name, value, problem, truth.take(inside), outputs[inside]))
            for value, inside in _values(table, name)
            if inside.sum() >= MINIMUM
        ]
        rows += [row for _, row in sorted(found, key=lambda each: -each[0])]
    return rows


def paired_slices(
    table: pa.Table, names: Sequence[str], problem: Problem, truth: Truth, compare: Callable[[Bools], Difference]
) -> list[PairedSlice]:
    """slice, value and the Difference in each slice that has the rows for one. `compare`: of the rows [n] that are chosen."""
    rows: list[PairedSlice] = []
    for name in names:
        for value, inside in _values(table, name):
            if inside.sum() >= MINIMUM and not problem.too_few(truth.take(inside), ENOUGH):
                rows.append({"slice": name, "value": value, **compare(inside).to_json()})
    return rows


def _values(table: pa.Table, name: str) -> Iterator[tuple[str, Bools]]:
    """Each value of a column as text, and which rows [n] have it."""
    values = np.array([str(value) for value in table[name].to_pylist()])
    for value in np.unique(values):
        yield str(value), values == value


def _slice(name: str, value: str, problem: Problem, truth: Truth, outputs: Outputs) -> SliceValue:
    measured = {metric: problem.metric(metric).measured(truth, outputs) for metric in problem.headline}
    shown = {metric: round(each, 4) if each == each else None for metric, each in measured.items()}
    return {"slice": name, "value": value, "rows": len(truth), **problem.slice_figures(truth), **shown}
