"""What is watched beside the inputs: the champion's score, the label, and how the two agree. Each has an axis of its own.

`residual` is label minus score: its mean is 0 as long as the score is a probability of the label. `slope` is the residual
times how far the score lies from its usual mean: below 0 once high scores promise too much and low ones too little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from include.monitoring.profile.binning import Axis, Floats
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

SCORE, LABEL, RESIDUAL, SLOPE = "(score)", "(label)", "(residual)", "(slope)"  # no feature may be called so
PERMUTED = 2000  # the importance of columns is measured on so many rows


def importance(
    score: Callable[[pa.Table], Outputs], rows: pa.Table, names: Sequence[str], problem: Problem, seed: int = 7
) -> dict[str, float]:
    """Share of the outputs that rests on each input: their mean change when its column alone is shuffled.

    `score`: of rows that hold every input by name. Needs no label; the shares add up to 1.
    """
    count = rows.num_rows
    few = rows.take(pa.array(np.linspace(0, count - 1, min(count, PERMUTED)).astype(np.int64)))
    before, rng = score(few), np.random.default_rng(seed)
    changes: dict[str, float] = {}
    for name in names:
        shuffled = few[name].take(pa.array(rng.permutation(few.num_rows)))
        moved = few.set_column(few.column_names.index(name), name, shuffled)
        changes[name] = float(problem.distance(score(moved), before).mean())
    total = sum(changes.values())
    return {name: change / total if total else 0.0 for name, change in changes.items()}


def answer_columns(
    problem: Problem, truth: Truth, outputs: Outputs, center: float, labels: pa.ChunkedArray
) -> dict[str, pa.Array]:
    """The columns [n] that labels and outputs give, NaN where they are not known. `labels`: as `collect` writes them; `center`:
    the champion's usual mean summary. A row without either has no residual; classes are told by name."""
    given = np.isfinite(outputs) if outputs.ndim == 1 else np.isfinite(outputs).all(axis=1)
    whole = given & np.isfinite(truth.labels)
    summary, residual = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    if given.any():
        summary[given] = problem.summary(outputs[given])
    if whole.any():
        residual[whole] = problem.residual(truth.take(whole), outputs[whole])
    told = labels.cast(pa.string()) if problem.named_labels else pa.array(truth.labels)
    return {
        SCORE: pa.array(summary),
        LABEL: told,
        RESIDUAL: pa.array(residual),
        SLOPE: pa.array(residual * (summary - center)),
    }


def answer_axes(problem: Problem, columns: Mapping[str, pa.Array]) -> list[Axis]:
    """Their axes, from the columns of the champion's own answers on rows that it never saw."""
    finite = {name: _finite(columns[name]) for name in (SCORE, RESIDUAL, SLOPE)}
    return [
        Axis.spanning(SCORE, "float", finite[SCORE]),
        label_axis(problem, columns[LABEL]),
        *(_plain(name, finite[name]) for name in (RESIDUAL, SLOPE)),
    ]


def label_axis(problem: Problem, labels: pa.Array) -> Axis:
    """Of labels: 0 and 1, the classes by name, or the numbers that there are."""
    if problem.sql_type == "TINYINT":
        return Axis(LABEL, "int", -0.5, 1.0, 2, (1,))
    if problem.named_labels:
        return Axis(LABEL, "category", categories=problem.outputs)
    return Axis.spanning(LABEL, "float", _finite(labels))


def _finite(column: pa.Array) -> Floats:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    found: Floats = values[np.isfinite(values)]
    return found


def appended(table: pa.Table, columns: Mapping[str, Floats | pa.Array]) -> pa.Table:
    for name, values in columns.items():
        if name in table.column_names:  # the label's own name may be `label`
            table = table.drop_columns(name)
        column = pa.array(values, pa.float64()) if isinstance(values, np.ndarray) else values
        table = table.append_column(name, column)
    return table


def _plain(name: str, values: Floats) -> Axis:
    """One bin only: of these the mean is judged and not the shape, which changes with every mix of inputs."""
    axis = Axis.spanning(name, "float", values)
    return Axis(name, "float", axis.low, axis.step, axis.cells)
