"""Step `skew`: a window's logged requests through the offline path.

The log is no ledger object, so the request names its content: `snapshot` digests a sample of it and puts the digest in
the parameters; `run` reads the log again and insists on the same.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from include.core.digest import digest_json
from include.core.errors import DataError, NotReadyError
from include.core.partition import Partition
from include.core.request import Json, Outcome, Ref, Request
from include.core.spec import Features, ModelSpec
from include.core.spec.dtypes import Kind, kind_of
from include.core.task import Task
from include.core.time import parse_time
from include.data.session import open_session
from include.features.skew.comparison import Finding, compare, recomputed
from include.point_in_time import known
from include.point_in_time.partition import DailyFiles, results
from include.prediction_log.reader import read_requests
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog

SAMPLE = 20_000  # requests compared: those whose id hashes lowest, so that any two readings take the same
LOST = "empty_view:"  # before a view's name: the store had lost all of its rows
NOT_SERVED = {"features", "last_known", "default_score"}  # answers that were not made of the store's values
ARROW: dict[Kind, pa.DataType] = {
    "float": pa.float64(), "int": pa.float64(), "bool": pa.bool_(), "category": pa.string(), "text": pa.string(),
    "vector": pa.list_(pa.float32()),
}  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A sample of a window's requests, and how many there were."""

    records: list[Record]
    requests: int
    degraded: int
    until: str  # the wall clock of the last record that says what counts
    elsewhere: int = 0  # answered by models of other versions of the views: nothing offline to compare them with
    contested: int = 0  # ids that several entities were asked about

    @property
    def digest(self) -> str:
        return digest_json(
            [[r.id, r.event_time, sorted(r.entity.items()), sorted(map(str, r.features.items()))] for r in self.records]
        )


def first_reach(spec: ModelSpec, start: datetime) -> datetime:
    """A request from `start` on may have got a value of any partition that ends after this moment."""
    return known.first_reach(spec.features.views, start)


def snapshot(
    log: SharedLog,
    spec: ModelSpec,
    end: datetime,
    published: Mapping[str, Ref] | Mapping[Partition, Ref],
    left_out: Sequence[int] = (),
    redefined: Sequence[int] = (),
) -> Request:
    """The request of `skew` for the monitoring window that ends at `end` (UTC, without zone), as the log stands now.

    `published`: its days, as `known_days` names them. `left_out`: versions of the model that were served other versions of the
    views than the published ones. `redefined`: those that compute something else of a request than the spec does.
    """
    start = end - timedelta(days=spec.monitoring.window_days)
    sample = read_sample(log, spec.name, start, end, left_out=left_out)
    params: dict[str, Json] = {
        "start": start.isoformat(), "as_of": end.isoformat(), "until": sample.until, "log": sample.digest,
        "features": spec.features.model_dump(mode="json"), "redacted": sorted(spec.serving.redact),
        "warn": spec.monitoring.skew_warn, "error": spec.monitoring.skew_error,
    }  # fmt: skip
    if left_out:
        params["left_out"] = sorted(left_out)
    if redefined:
        params["redefined"] = sorted(redefined)
    days = {str(day): ref for day, ref in published.items()}
    return Request.of("skew", "include.features.skew_step:run", spec.name, params=params, inputs=days)


def run(task: Task) -> Outcome:
    """Value: `level` (ok, warn, error), `requests`, `sampled`, `degraded`, `features` (a Finding each, with its level), `words`.

    Raises NotReadyError if the log no longer holds what the request names.
    """
    params, features = task.params, Features.model_validate(task.params["features"])
    start, end = datetime.fromisoformat(params["start"]), datetime.fromisoformat(params["as_of"])
    log = SharedLog(task.settings.home, task.storage)
    sample = read_sample(log, task.request.model, start, end, params["until"], params.get("left_out", ()))
    if sample.digest != params["log"]:
        raise NotReadyError(
            f"The prediction log of {task.request.model} no longer holds the requests that were to be replayed.",
            safe="nothing was written; reading never changes the log.", hint="the retry takes a new snapshot by itself.",
        )  # fmt: skip
    redacted = set(params["redacted"])
    skipped = [view.name for view in features.views if redacted & {*view.keys, *(f.name for f in view.features)}]
    files = _files(task, features, start)
    with open_session(threads=2) as connection:
        connection.register("served_rows", served_table(features, sample.records))
        connection.execute("CREATE TABLE served AS SELECT * FROM served_rows")
        sent = tuple(feature for feature in features.sent if feature.name not in redacted)
        found = compare(connection, features.model_copy(update={"request": sent, "request_fields": ()}), files, skipped)
        found += recomputed(connection, features, redacted, params.get("redefined", ()))
    return Outcome(verdict(sample, found, params["warn"], params["error"], skipped), {})


def _files(task: Task, features: Features, start: datetime) -> DailyFiles:
    """The window's entities, and each view's rows that its requests may have got: all of them, to tell what is stale from
    what is wrong. Days of another version than the newest are not what serving read."""
    days = results(task.ledger, task.request.inputs)
    present = known.newest_versions(features.views, days)
    found = known.known_files(task.ledger, features.views, days, start, task.workdir / "inputs", ("entities",), present)
    return {**found.days, **{view.name: found.of_view(view.name) for view in features.views}}


def verdict(sample: Served, found: list[Finding], warn: float, error: float, skipped: Iterable[str] = ()) -> dict[str, Json]:
    levels = {finding.feature: finding.level(warn, error) for finding in found}
    level = next((each for each in ("error", "warn") if each in levels.values()), "ok")
    rows = [{**asdict(f), "share": round(f.share, 6), "level": levels[f.feature]} for f in found]
    noticed = [finding for finding in found if levels[finding.feature] != "ok"]
    words = [_words(finding) for finding in sorted(noticed, key=lambda finding: -finding.share)]
    return {
        "level": level, "requests": sample.requests, "sampled": len(sample.records), "degraded": sample.degraded,
        "other_versions": sample.elsewhere, "contested": sample.contested,
        "skipped": sorted(skipped), "features": rows, "words": words or ["Serving and training see the same values."],
    }  # fmt: skip


def _words(finding: Finding) -> str:
    if not finding.mismatched:
        return f"{finding.feature}: serving had an older value in {finding.stale:,} requests; look at the view's freshness."
    worst = finding.worst
    example = f"such as {worst['served']!r} served and {worst['offline']!r} offline for {worst['request_id']}"
    return f"{finding.feature}: {finding.mismatched:,} of {finding.compared:,} values differ from training's, {example}."


def check(model: str, value: Mapping[str, Any]) -> None:
    """Raises DataError if a feature's share of differing values has reached the error level."""
    if value["level"] == "error":
        raise DataError(
            f"Training-serving skew in {model}: {' '.join(value['words'])}",
            seen={row["feature"]: row["share"] for row in value["features"] if row["level"] == "error"},
            safe="the version in production goes on; the finding is kept in the ledger.",
            hint="compare the code of both paths since the model was trained (docs/features.md, Debugging).",
        )


def _not_served(reason: str) -> bool:
    return reason in NOT_SERVED or reason.startswith(LOST)


def read_sample(
    log: SharedLog, model: str, start: datetime, end: datetime, until: str = "", left_out: Sequence[int] = ()
) -> Served:
    """The window's requests, one record for each by the log's rule (include/prediction_log/first.py); what was written after
    `until`, or answered by the versions `left_out`, is left out.

    So is an id that several entities were asked about: nobody can tell here whose it is.
    """
    requests = read_requests(log, model, start.isoformat(), end.isoformat(), until)
    mine = requests.undisputed
    made = [record for record in mine if not any(map(_not_served, record.degraded))]
    whole = [record for record in made if record.version not in left_out]
    sample = heapq.nsmallest(SAMPLE, whole, key=lambda record: (zlib.crc32(record.id.encode()), record.id))
    return Served(
        records=sample,
        requests=len(requests.entities),
        degraded=len(mine) - len(made),
        until=requests.last_written,
        elsewhere=len(made) - len(whole),
        contested=len(requests.contested),
    )


def served_table(features: Features, records: list[Record]) -> pa.Table:
    """Columns: _place, _version, request_id, event_timestamp (UTC, without zone), keys, every input as it was served, and what
    expressions read beside them."""
    times = [parse_time(record.event_time or "") for record in records]
    columns: dict[str, pa.Array] = {
        "_place": pa.array(range(len(records)), pa.int64()),
        "_version": pa.array([record.version for record in records], pa.int64()),
        "request_id": pa.array([record.id for record in records], pa.string()),
        "event_timestamp": pa.array(times, pa.timestamp("us")),
    }
    for key in features.keys:
        columns[key] = pa.array([_text(record.entity.get(key)) for record in records], pa.string())
    for feature in (*features.inputs, *features.request_fields):
        values = [record.features.get(feature.name) for record in records]
        kind = kind_of(feature.dtype)
        if kind in ("float", "int"):  # Arrow takes no whole number for a float that would not be exact
            values = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
        columns[feature.name] = pa.array(values, ARROW[kind])
    return pa.table(columns)


def _text(value: object) -> str | None:
    """A key; the log of an earlier release may hold whole numbers."""
    return None if value is None else str(value)
