"""The evidence of a rollout on an endpoint: what its containers have shipped to the storage root, folded by whoever judges.

A container knows no rollout: which version it is, its records say (`generation` is the version there, whoever answered), and what
a version is in the rollout, the rollout. An endpoint splits at random by *request*, not by entity: an entity meets both arms. So
here a request is what an entity is on the gateways, one observation: it is in an arm by chance alone, whoever asked, and given
how many requests met an event each of them is the challenger's with the probability of its weight (docs/adr/0059). A record
counts for a stage from the moment when the endpoint was seen to have the stage's weights.

There is one source, and whoever judges publishes it: two at once are told apart by compare-and-set, and each record counts once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from include.core import fault
from include.core.control import ControlStore
from include.core.time import instant, precise
from include.prediction_log.record import LABEL, OUTCOME, PREDICTION, SHADOW, Record
from include.prediction_log.root_tail import read_root_tail
from include.prediction_log.shared import SharedLog
from include.rollout.endpoint_rails import Invocations
from include.rollout.evidence_store import Published, Source, StageRow, fresh_stage, lock_stage, read_source, write_source
from include.rollout.history import Rollout
from include.routing.applied import applied_at
from include.routing.route import route_in

SOURCE = Source("endpoint", "endpoint")
EVERY_SECONDS = 5.0  # between two looks of a process at the root: each is a listing
COUNTED = "counted/"  # in the cursor: failures that were counted, by version and minute
SETTLES = timedelta(minutes=15)  # for which a minute of the endpoint's counters may still grow
_replace = msgspec.structs.replace


@dataclass(frozen=True)
class EndpointLog:
    """Where the evidence of a model's endpoint is. `counted`: the endpoint's own counters, opened when they are asked."""

    log: SharedLog
    counted: Callable[[], Invocations]


class Pace:
    """How often a process looks for each rollout."""

    def __init__(self, seconds: float = EVERY_SECONDS) -> None:
        self._seconds, self._last = seconds, dict[str, float]()

    def due(self, rollout: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(rollout, -self._seconds) < self._seconds:
            return False
        self._last[rollout] = now
        return True


def publish_endpoint(control: ControlStore, evidence: EndpointLog, rollout: Rollout, now: datetime) -> bool:
    """Count what is new for the stage that has begun. False where nothing was: there is no stage in force, or another process
    was faster."""
    with control.transaction() as connection:
        stage = lock_stage(connection, rollout.id, alone=False)
        if stage is None:
            return False
        published = read_source(connection, rollout.id, SOURCE, stage)
    in_force = applied_at(control, rollout.model, stage.generation)
    if not in_force:
        return False
    cursor = published.accumulator.cursor
    own = {name: place for name, place in cursor.items() if not name.startswith(COUNTED)}
    try:
        records, places = read_root_tail(evidence.log, rollout.model, stage.terms.since_at, own)
    except FileNotFoundError:  # compacted meanwhile: the next look finds it
        return False
    found = list(_of_the_rollout(records, rollout, stage, in_force))
    versions = [version for version in (rollout.champion, rollout.challenger) if version is not None]
    failed, counted = _uncounted(evidence.counted(), versions, cursor, instant(in_force), now)
    found += _of_the_rollout(failed, rollout, stage, in_force)
    fault.point("evidence.endpoint.read")
    return _write(control, rollout, stage, published, found, {**places, **counted})


def _write(
    control: ControlStore, rollout: Rollout, stage: StageRow, published: Published, records: list[Record], cursor: dict[str, int]
) -> bool:
    with control.transaction() as connection:
        now = lock_stage(connection, rollout.id, alone=False)
        if now is None or now.generation != stage.generation or route_in(connection, rollout.model)[0] > stage.generation:
            return False  # over, or it has gone on
        fresh_stage(published, now, 0)
        published.accumulator.add(sorted(records, key=lambda record: record.at))
        published.accumulator.cursor = cursor
        written = write_source(connection, rollout.id, SOURCE, published)
        fault.point("evidence.endpoint.written")
    return written


def _of_the_rollout(records: Iterable[Record], rollout: Rollout, stage: StageRow, in_force: str) -> Iterator[Record]:
    """As the accumulator knows records: with their arm and generation, each request its own unit; those of others left out."""
    every = list(records)
    answers = {record.id: record for record in every if record.kind == PREDICTION and record.generation == rollout.champion}
    for record in every:
        if record.kind in (LABEL, OUTCOME):
            yield record
        elif record.kind == PREDICTION and record.generation in (rollout.champion, rollout.challenger):
            challenges = record.generation == rollout.challenger
            generation = stage.generation if record.at >= in_force else stage.terms.since
            arm = "challenger" if challenges else "champion"
            made = _replace(record, unit=unit_of(record.id), arm=arm, generation=generation)
            if challenges and stage.terms.shadow:
                yield _as_shadow(made, answers.get(record.id))
            elif not challenges or record.at >= in_force:
                yield made


def _as_shadow(record: Record, answer: Record | None) -> Record:
    """What the copy of a request got, beside what its caller got: both carry the request's id, where the caller gave one."""
    if answer is None or answer.error is not None:
        return _replace(record, kind=SHADOW)
    return _replace(
        record, kind=SHADOW, against=answer.score, against_version=answer.version, against_outputs=answer.outputs,
        against_place=answer.place,
    )  # fmt: skip


def unit_of(request_id: str) -> str:
    """The hash of a request, in place of an entity's."""
    return blake2b(request_id.encode(), digest_size=8, person=b"request").hexdigest()


def _uncounted(
    counted: Invocations, versions: Iterable[int], cursor: Mapping[str, int], since: datetime, now: datetime
) -> tuple[list[Record], dict[str, int]]:
    """A record for each failure that the endpoint counted and this source has not, and the cursor of those.

    Only of minutes that began when the weights were in force: which arm a failure is of is certain then.
    """
    first = (since + timedelta(seconds=60, microseconds=-1)).replace(second=0, microsecond=0)
    start = max(first, (now - SETTLES).replace(second=0, microsecond=0))
    if start >= now:
        return [], {name: count for name, count in cursor.items() if name.startswith(COUNTED)}
    places = {name: count for name, count in cursor.items() if name.startswith(COUNTED) and _minute(name) >= start}
    records = []
    for version in versions:
        for minute, count in counted.failures(version, start, now).items():
            if minute < start:
                continue
            name = f"{COUNTED}{version}/{minute.astimezone(UTC):%Y-%m-%dT%H:%M}"
            at = precise(minute.astimezone(UTC))
            for number in range(places.get(name, 0), count):
                record = Record(PREDICTION, f"{name}/{number}", at, generation=version, error="the container did not answer")
                records.append(record)
            places[name] = max(count, places.get(name, 0))
    return records, places


def _minute(name: str) -> datetime:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(f"{name.rpartition('/')[2]}:00+00:00")
    return datetime.max.replace(tzinfo=UTC)
