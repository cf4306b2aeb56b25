"""Step `labels`: the labels that callers have sent for their requests, as a day's published labels are written.

Of a model whose features come with each request nothing is published: what became of a request is known from the caller alone,
and every label is kept with the moment when it came. Of another model, by the choice of its spec (`serving.feedback`), labels
that were sent stand in for those that have not landed: of several that were sent for one request the first written counts, as
of predictions (include/prediction_log/first.py), and it counts from the moment on that its caller says it was known.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.digest import digest_json
from include.core.errors import DataError, NotReadyError
from include.core.request import Json, Outcome, Request
from include.core.spec import ModelSpec
from include.core.task import Task
from include.core.time import parse_time
from include.data.window import Window, moment
from include.prediction_log.reader import read_records
from include.prediction_log.record import LABEL, Record
from include.prediction_log.shared import SharedLog
from include.problems.of import of_params, of_spec, params_of
from include.problems.problem import Problem

STEP, FUNCTION = "labels", "include.monitoring.feedback_step:run"
Sent = tuple[str, float | str, str]  # request, label (a class by name), when it came: UTC without zone


def snapshot(log: SharedLog, spec: ModelSpec, as_of: datetime) -> Request:
    """The request for the window that ends at `as_of` and those before it that are judged again, as the log stands now."""
    window = Window.ending(as_of, spec.monitoring.window_days * (1 + spec.monitoring.label_wait))
    found = list(sent(log, spec.name, window, of_spec(spec)))
    params: dict[str, Json] = {
        "start": window.start.isoformat(),
        "as_of": window.end.isoformat(),
        "label": spec.label,
        "log": digest_json(found),
        **params_of(spec),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={})


def told_snapshot(log: SharedLog, spec: ModelSpec, as_of: datetime, days: int) -> Request:
    """The request for labels that were known within so many days before `as_of` (UTC, without zone), as the log stands now."""
    window = Window.ending(as_of, days)
    found = told(log, spec.name, window, of_spec(spec))
    params: dict[str, Json] = {
        "start": window.start.isoformat(),
        "as_of": window.end.isoformat(),
        "label": spec.label,
        "log": digest_json(found),
        "told": True,
        **params_of(spec),
    }
    return Request.of(STEP, FUNCTION, spec.name, params=params, inputs={})


def run(task: Task) -> Outcome:
    """Writes `labels.parquet`: request_id, the label, label_timestamp; and `entities.parquet`, without rows: nobody has said whom
    a request is about but the request itself. Raises NotReadyError if the log holds other labels by now."""
    params, problem = task.params, of_params(task.params)
    window = Window(moment(params["start"]), moment(params["as_of"]))
    log, choose = SharedLog(task.settings.home, task.storage), told if params.get("told") else sent
    found = list(choose(log, task.request.model, window, problem))
    if digest_json(found) != params["log"]:
        what = f"The prediction log of {task.request.model} holds other labels by now than this request names."
        raise NotReadyError(what, safe="nothing was written.", hint="the retry takes a new snapshot by itself.")
    columns = {
        "request_id": pa.array([request for request, _, _ in found], pa.string()),
        str(params["label"]): pa.array([label for _, label, _ in found], problem.kept_type),
        "label_timestamp": pa.array([parse_time(at) for _, _, at in found], pa.timestamp("us")),
    }
    files = {f"{name}.parquet": task.workdir / f"{name}.parquet" for name in ("labels", "entities")}
    pq.write_table(pa.table(columns), files["labels.parquet"])
    pq.write_table(pa.table({"request_id": pa.array([], pa.string())}), files["entities.parquet"])
    return Outcome({"labels": len(found)}, files)


def sent(log: SharedLog, model: str, window: Window, problem: Problem) -> Iterator[Sent]:
    """The labels that came within the window, in the order of the log; those of another kind of problem are none."""
    for record in read_records(log, model, window.start.isoformat()):
        label = (record.label_class or None) if problem.named_labels else record.label
        if record.kind != LABEL or label is None:
            continue
        at = parse_time(record.at)
        if window.start <= at < window.end:
            yield record.id, label, at.isoformat()


def told(log: SharedLog, model: str, window: Window, problem: Problem) -> list[Sent]:
    """One label a request, sorted, of those that were known within the window. What is no label of the problem is none.

    A caller that says no moment has told what was known when it came.
    """
    first: dict[str, Record] = {}
    for record in read_records(log, model):
        if record.kind != LABEL or not _fits(record, problem):
            continue
        known = first.get(record.id)
        if known is None or record.at < known.at:
            first[record.id] = record
    found = []
    for record in first.values():
        at = parse_time(record.event_time or record.at)
        if window.start <= at < window.end:
            label = record.label_class if problem.named_labels else record.label
            assert label is not None
            found.append((record.id, label, at.isoformat()))
    return sorted(found)


def _fits(record: Record, problem: Problem) -> bool:
    """The spec may have had other classes or bounds when it was sent."""
    try:
        problem.read_label(record.label_class if problem.named_labels else record.label)
    except DataError:
        return False
    return True
