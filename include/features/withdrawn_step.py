"""Step `withdrawn`: which requests were answered by versions that were rolled back since, for a training set to leave out.

What a broken model did to them may have changed what became of them: their labels are no truth about the world.
Of a request that was sent again the record counts that counts everywhere (include/prediction_log/first.py). The log is no
ledger object, so the request names its content by digest, as the skew check's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.digest import digest_json
from include.core.errors import NotReadyError
from include.core.request import Outcome, Request
from include.core.spec import ModelSpec
from include.core.task import Task
from include.prediction_log.reader import read_requests
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.routing.entity_hash import entity_id

INPUT = "withdrawn"  # of the `training_set` step


def snapshot(log: SharedLog, spec: ModelSpec, as_of: str, versions: Sequence[int]) -> Request:
    """The request for a training set as of that moment (UTC, without zone), as the log stands now."""
    start = datetime.fromisoformat(as_of) - timedelta(days=spec.training.window_days)
    keys = list(spec.features.keys)
    found = _requests(log, spec.name, start.isoformat(), as_of, versions, keys)
    params = {"start": start.isoformat(), "as_of": as_of, "versions": list(versions), "keys": keys, "log": digest_json(found)}
    return Request.of("withdrawn", "include.features.withdrawn_step:run", spec.name, params=params, inputs={})


def run(task: Task) -> Outcome:
    """Writes `withdrawn.parquet`, sorted: request_id, and `entity`, the keys as one text where only that entity's request
    of the id is meant. Raises NotReadyError if the log holds others by now."""
    params = task.params
    keys = params.get("keys", [])
    log = SharedLog(task.settings.home, task.storage)
    found = _requests(log, task.request.model, params["start"], params["as_of"], params["versions"], keys)
    if digest_json(found) != params["log"]:
        what = f"The prediction log of {task.request.model} holds other requests of {params['versions']} by now."
        raise NotReadyError(what, safe="nothing was written.", hint="the retry takes a new snapshot by itself.")
    path = task.workdir / f"{INPUT}.parquet"
    columns = {name: pa.array([row[place] for row in found], pa.string()) for place, name in enumerate(("request_id", "entity"))}
    pq.write_table(pa.table(columns), path)
    return Outcome({"requests": len(found), "versions": params["versions"]}, {path.name: path})


def matches(file: str, keys: Sequence[str]) -> str:
    """SQL: a row of `file` (`gone`) means the request of the relation `entity`. One of an earlier release has ids alone."""
    if "entity" not in pq.read_schema(file).names:
        return "gone.request_id = entity.request_id"
    who = ", ".join(f"coalesce(entity.\"{key}\"::VARCHAR, '')" for key in keys)
    same = f"gone.entity = concat_ws(chr(31), {who})" if keys else "true"
    return f"gone.request_id = entity.request_id AND (gone.entity IS NULL OR {same})"


def _requests(
    log: SharedLog, model: str, start: str, end: str, versions: Sequence[int], keys: Sequence[str]
) -> list[tuple[str, str | None]]:
    """(request id, entity): the entity alone where several were asked about under the id, since whoever guesses an id could
    else have another's request left out. Without it where the log does not say whose it was (redacted keys)."""
    gone = set(versions)
    if not gone:
        return []
    requests = read_requests(log, model, start, end)
    rows = {
        (record.id, _entity(record, keys) if record.id in requests.contested else None)
        for record in requests.first.values()
        if record.version in gone
    }
    return sorted(rows, key=lambda row: (row[0], row[1] or ""))


def _entity(record: Record, keys: Sequence[str]) -> str | None:
    if not keys or any(key not in record.entity for key in keys):
        return None
    return entity_id(str(record.entity[key]) for key in keys)
