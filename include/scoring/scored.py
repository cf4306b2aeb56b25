"""What a batch of scored rows is as a table, by the kind of problem.

request_id, event_timestamp, the entity's keys, then                                                                 version
binary        score                    (and, where costs or an author's function decide: `decision`, 0 or 1)
regression    value, or value, low, high
multiclass    class, probabilities     (a struct with a field a class)
ranking       score                    (and, of the whole day: `place` in the list of its query, from 1)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.spec import Binary
from include.metrics.arrays import Floats
from include.problems.label_columns import numbered, present
from include.problems.problem import Problem
from include.problems.truth import Outputs

BEFORE = [("request_id", pa.string()), ("event_timestamp", pa.timestamp("us"))]
VERSION = ("version", pa.int32())


def schema(problem: Problem, keys: Sequence[str] = ()) -> pa.Schema:
    """Of the scored rows, without the places of a ranking. `keys`: of the entity, as text."""
    if problem.outputs_add_up:
        fields = [("class", pa.string()), ("probabilities", pa.struct([(name, pa.float32()) for name in problem.outputs]))]
    else:
        fields = [(name, pa.float32()) for name in problem.outputs]
        fields += [("decision", pa.int8())] if _decides(problem) else []
    return pa.schema([*BEFORE, *((key, pa.string()) for key in keys), *fields, VERSION])


def table(problem: Problem, rows: pa.Table, outputs: Outputs, version: int | None, keys: Sequence[str] = ()) -> pa.Table:
    """The rows with their outputs, [n] or [n, k], in their order. Raises DataError for outputs that are none of the problem's."""
    wrong = problem.check(outputs, rows.num_rows)
    if wrong:
        raise DataError(
            f"Version {version} gave {wrong}.",
            safe="no scores were written.",
            hint="roll it back, or leave the rows out that it cannot score.",
        )
    columns = {
        "request_id": rows["request_id"],
        "event_timestamp": rows["event_timestamp"],
        **{key: rows[key].cast(pa.string()) for key in keys},
        **_said(problem, rows, outputs),
        "version": pa.repeat(pa.scalar(version, pa.int32()), rows.num_rows),
    }
    wanted = schema(problem, keys)
    return pa.table(columns, schema=wanted) if problem.outputs_add_up else pa.table(columns).cast(wanted)


def _said(problem: Problem, rows: pa.Table, outputs: Outputs) -> dict[str, pa.Array]:
    names = problem.outputs
    if problem.outputs_add_up:
        decided = problem.decide(outputs.astype(np.float64))
        fields = [pa.array(outputs[:, place], pa.float32()) for place in range(len(names))]
        classes = pa.array(names, pa.string()).take(pa.array(decided))
        return {"class": classes, "probabilities": pa.StructArray.from_arrays(fields, names=list(names))}
    each = outputs[:, None] if outputs.ndim == 1 else outputs
    found = {name: pa.array(each[:, place], pa.float32()) for place, name in enumerate(names)}
    if _decides(problem):
        costs = {name: _numbers(present(rows, name)) for name in problem.costs}
        found["decision"] = pa.array(problem.decide(outputs, costs), pa.int8())
    return found


def _decides(problem: Problem) -> bool:
    """Whether a decision is written that the score alone does not tell."""
    return isinstance(problem.value, Binary) and not problem.value.plain


def _numbers(column: pa.ChunkedArray) -> Floats:
    """float64 [n]; NaN where there is no number."""
    found: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return found


def placed(scored: pa.Table, rows: pa.Table, query: str) -> pa.Table:
    """With `place`: that of each row in the list of its query, from 1; of equal scores the earlier row comes first."""
    lists, score = numbered(present(rows, query)), scored["score"].to_numpy()
    order = np.lexsort((np.arange(len(score)), -score, lists))
    _, first, counts = np.unique(lists[order], return_index=True, return_counts=True)
    place = np.empty(len(score), dtype=np.int32)
    place[order] = np.arange(len(score)) - np.repeat(first, counts) + 1
    at = scored.column_names.index("version")
    return scored.add_column(at, "place", pa.array(place, pa.int32()))
