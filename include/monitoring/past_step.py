"""Step `past`: what a champion was asked before, in the form of a training set. It stands in where none is known.

A model that was trained elsewhere on rows that nobody here has seen is watched against its own first windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.spec import Feature, Features, ModelSpec
from include.core.spec.dtypes import Kind, kind_of
from include.core.task import Task
from include.data.window import Window, moment
from include.monitoring.reference import TIME
from include.problems.of import of_params, params_of
from include.problems.problem import Problem
from include.step_values.features import TrainingSetValue
from include.step_values.monitoring import CollectValue

STEP, FUNCTION = "past", "include.monitoring.past_step:run"
WINDOWS = 8  # so many are enough to tell what is usual, and then the reference stays as it is
TYPES: dict[Kind, pa.DataType] = {
    "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "category": pa.string(), "text": pa.string(),
    "vector": pa.list_(pa.float32()),
}  # fmt: skip


def past_request(ledger: Ledger, spec: ModelSpec, version: int, collected: Sequence[Result], until: str) -> Request | None:
    """The request for the windows of the version before `until` (ISO 8601); None where there are none.

    `collected`: results of `collect`, the older commit first: a window that was collected again replaces the one before.
    """
    by_start: dict[str, Result] = {}
    for each in collected:
        value = each.read(CollectValue)
        window = Window(*map(moment, value["window"].split("/")))
        if window.end <= moment(until) and value["versions"].get(str(version)):
            by_start[window.start.isoformat()] = each
    inputs: Mapping[str, Ref] = {start: ledger.ref(by_start[start]) for start in sorted(by_start)[:WINDOWS]}
    params = {"features": spec.features.model_dump(mode="json"), "label": spec.label, "version": version, **params_of(spec)}
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs=inputs) if inputs else None


def run(task: Task) -> Outcome:
    """Inputs: results of `collect`, by the start of their window. Writes `train.parquet`, the rows without a label, and
    `holdout.parquet`, those with one: the version was trained on none of them. Columns: event_timestamp, inputs, label."""
    params = task.params
    problem = of_params(params)
    features, label = Features.model_validate(params["features"]).inputs, str(params["label"])
    tables = [_rows(task, name, features, label, problem) for name in sorted(task.request.inputs)]
    rows = pa.concat_tables(tables).sort_by(TIME)
    known = pc.is_valid(rows[label])
    parts = {"train.parquet": rows.filter(pc.invert(known)), "holdout.parquet": rows.filter(known)}
    files = {name: task.workdir / name for name in parts}
    for name, table in parts.items():
        pq.write_table(table, files[name])
    ends = [task.input(name).read(CollectValue)["as_of"] for name in task.request.inputs]
    return Outcome(_value(rows, parts["holdout.parquet"], label, max(ends), problem), files)


def _rows(task: Task, name: str, features: Sequence[Feature], label: str, problem: Problem) -> pa.Table:
    """What the version answered in full in one window."""
    found = pq.read_table(task.file(name, "predictions.parquet"))
    mine = pc.and_(pc.equal(found["version"], int(task.params["version"])), pc.invert(found["degraded"]))
    chosen = found.filter(pc.fill_null(mine, False))
    columns = {TIME: chosen["event_time"].cast(pa.timestamp("us"))}
    columns |= {each.name: chosen[each.name].cast(TYPES[kind_of(each.dtype)]) for each in features}
    if problem.query is not None and problem.query not in columns:
        columns[problem.query] = chosen[problem.query]
    return pa.table({**columns, label: chosen["label"].cast(problem.kept_type)})


def _value(rows: pa.Table, labelled: pa.Table, label: str, end: str, problem: Problem) -> TrainingSetValue:
    positives = int(pc.sum(labelled[label]).as_py() or 0) if problem.sql_type == "TINYINT" else 0
    times = [str(moment(t).isoformat()) for t in (pc.min(rows[TIME]).as_py(), pc.max(rows[TIME]).as_py()) if t is not None]
    return {
        "rows": rows.num_rows,
        "positives": positives,
        "holdout_rows": labelled.num_rows,
        "holdout_positives": positives,
        "first": times[0] if times else "",
        "last": times[-1] if times else "",
        "as_of": end,
        "unlabelled": rows.num_rows - labelled.num_rows,
        "repeated": 0,
        "labels": labelled.num_rows,
    }
