"""What is watched beside the inputs: the champion's score, the label, and how the two agree. Each has an axis of its own.

`residual` is label minus score: its mean is 0 as long as the score is a probability of the label. `slope` is the residual
times how far the score lies from its usual mean: below 0 once high scores promise too much and low ones too little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.model_contract.batch import Columns, Encoded
from include.monitoring.profile.binning import Axis, Floats

SCORE, LABEL, RESIDUAL, SLOPE = "(score)", "(label)", "(residual)", "(slope)"  # no feature may be called so
PERMUTED = 2000  # the importance of columns is measured on so many rows


def answer_axes(scores: Floats) -> list[Axis]:
    """The score's from the champion's own scores on rows it never saw; the others span what is possible."""
    possible = np.array([-1.0, 1.0])
    return [
        Axis.spanning(SCORE, "float", scores),
        label_axis(),
        *(_plain(name, possible) for name in (RESIDUAL, SLOPE)),
    ]


def label_axis() -> Axis:
    """Of a label that is 0 or 1."""
    return Axis(LABEL, "int", -0.5, 1.0, 2, (1,))


def prediction_columns(label: Floats | None, score: Floats | None, center: float) -> dict[str, Floats]:
    """The columns [n] that a label and a score (NaN where not known) give. `center`: the champion's usual mean score."""
    columns: dict[str, Floats] = {}
    if score is not None:
        columns[SCORE] = score
    if label is not None:
        columns[LABEL] = label
    if score is not None and label is not None:
        columns[RESIDUAL] = label - score
        columns[SLOPE] = (label - score) * (score - center)
    return columns


def importance(
    model: Any, rows: Encoded, names: Sequence[str], seed: int = 7, places: Sequence[slice] | None = None
) -> dict[str, float]:
    """Share of the score that rests on each input: the mean change of the score when its column alone is shuffled.

    `model`: `score(rows) -> float32 [n] or [n, k]`. Needs no label; the shares add up to 1. `places`: of each input in one
    tensor, by default one each; a vector is shuffled as a whole.
    """
    few = rows[np.linspace(0, len(rows) - 1, min(len(rows), PERMUTED)).astype(np.int64)]
    before, rng = model.score(few), np.random.default_rng(seed)
    changes: dict[str, float] = {}
    for place, name in enumerate(names):
        where = slice(place, place + 1) if places is None else places[place]
        shuffled = _shuffled(few, name, where, rng.permutation(len(few)))
        changes[name] = float(np.abs(model.score(shuffled) - before).mean())
    total = sum(changes.values())
    return {name: change / total if total else 0.0 for name, change in changes.items()}


def _shuffled(rows: Encoded, name: str, where: slice, order: npt.NDArray[np.int64]) -> Encoded:
    """The rows, with one input's values in another order."""
    if isinstance(rows, Columns):
        return Columns({each: array[order] if each == name else array for each, array in rows.items()}, len(rows))
    shuffled = rows.copy()
    shuffled[:, where] = shuffled[order, where]
    return shuffled


def appended(table: pa.Table, columns: Mapping[str, Floats]) -> pa.Table:
    for name, values in columns.items():
        if name in table.column_names:  # the label's own name may be `label`
            table = table.drop_columns(name)
        table = table.append_column(name, pa.array(values, pa.float64()))
    return table


def _plain(name: str, values: Floats) -> Axis:
    """One bin only: of these the mean is judged and not the shape, which changes with every mix of inputs."""
    axis = Axis.spanning(name, "float", values)
    return Axis(name, "float", axis.low, axis.step, axis.cells)
