"""Step `withdrawn`: which requests were answered by versions that were rolled back since, for a training set to leave out.

What a broken model did to them may have changed what became of them: their labels are no truth about the world.
The log is no ledger object, so the request names its content by digest, as the skew check's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.adapters import adapter
from include.core.digest import digest_json
from include.core.errors import NotReadyError
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.task import Task

INPUT = "withdrawn"  # of the `training_set` step


def snapshot(settings: Settings, spec: ModelSpec, as_of: str, versions: Sequence[int]) -> Request:
    """The request for a training set as of that moment (UTC, without zone), as the log stands now."""
    start = datetime.fromisoformat(as_of) - timedelta(days=spec.training.window_days)
    found = _requests(settings, spec.name, start.isoformat(), as_of, versions)
    params = {"start": start.isoformat(), "as_of": as_of, "versions": list(versions), "log": digest_json(found)}
    return Request.of("withdrawn", "include.features.withdrawn:run", spec.name, params=params, inputs={})


def run(task: Task) -> Outcome:
    """Writes `withdrawn.parquet`: request_id, sorted. Raises NotReadyError if the log holds others by now."""
    params = task.params
    found = _requests(task.settings, task.request.model, params["start"], params["as_of"], params["versions"])
    if digest_json(found) != params["log"]:
        what = f"The prediction log of {task.request.model} holds other requests of {params['versions']} by now."
        raise NotReadyError(what, safe="nothing was written.", hint="the retry takes a new snapshot by itself.")
    path = task.workdir / f"{INPUT}.parquet"
    pq.write_table(pa.table({"request_id": pa.array(found, pa.string())}), path)
    return Outcome({"requests": len(found), "versions": params["versions"]}, {path.name: path})


def _requests(settings: Settings, model: str, start: str, end: str, versions: Sequence[int]) -> list[str]:
    gone = set(versions)
    if not gone:
        return []
    records = adapter("predictions")(settings.home, model, None)
    return sorted(
        {
            record.id
            for record in records
            if record.kind == "prediction" and record.version in gone and start <= (record.event_time or "") < end
        }
    )
