"""Rows of a window or a holdout as arrays: what is known of them, and what a model said.

Their columns are those that `collect` writes: `label`, `event_time`, `score` (of several outputs their summary), `outputs` where
there are several, every input, and of a ranking the query.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.metrics.arrays import Floats
from include.problems.label_columns import days, numbered, present
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

SCORE, OUTPUTS, LABEL, TIME = "score", "outputs", "label", "event_time"


def labels(rows: pa.Table, problem: Problem, name: str = LABEL) -> Floats:
    """float64 [n], NaN where a row has no label; of classes, their places. Classes that the spec does not have are no labels."""
    column = rows[name]
    if problem.named_labels:
        places = pc.index_in(column.cast(pa.string()), value_set=pa.array(problem.outputs, pa.string()))
        known = pc.if_else(pc.is_null(column), pa.scalar(None, pa.int32()), places)
        return _floats(known)
    return _floats(column)


def said(rows: pa.Table, problem: Problem, score: str = SCORE, outputs: str = OUTPUTS) -> Outputs:
    """What the model said, [n] or [n, k]; NaN where it said nothing."""
    if len(problem.outputs) == 1:
        return _floats(rows[score])
    width = len(problem.outputs)
    column = rows[outputs].combine_chunks()
    found = np.full((rows.num_rows, width), np.nan)
    whole = np.asarray(pc.fill_null(pc.equal(pc.list_value_length(column), width), False))
    if whole.any():
        found[whole] = np.array(column.filter(pa.array(whole)).to_pylist(), dtype=np.float64)
    return found


def truth(rows: pa.Table, problem: Problem) -> Truth:
    """What is known of labelled rows."""
    costs = {name: _floats(present(rows, name)) for name in problem.costs}
    query = None if problem.query is None else numbered(present(rows, problem.query))
    return Truth(labels(rows, problem), None, days(rows, TIME), query, costs)


def _floats(column: pa.ChunkedArray) -> Floats:
    found: Floats = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found
