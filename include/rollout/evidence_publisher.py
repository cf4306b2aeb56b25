"""A gateway's own part in a rollout: it folds its log into evidence, and publishes what is new about once a second.

It follows every live rollout whose stage has begun, which the judge's task sees to (include/rollout/stage_evaluation.py). While
the route is a generation ahead of the stage nothing is read: those records are counted under the terms of their own stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from include.core import fault
from include.core.control import ControlStore
from include.core.entity_key import entity_key, fingerprint
from include.core.errors import ConflictError
from include.core.machine import first_id, gateway_id
from include.core.settings import Settings
from include.prediction_log.record import Record
from include.prediction_log.tail import read_tail
from include.rollout.evidence_store import (
    Published,
    Source,
    StageRow,
    fresh_stage,
    lock_stage,
    others_clock,
    read_source,
    write_source,
)
from include.rollout.live_stages import LiveStage, live_stages
from include.routing.route import route_in

PORTION = 2 << 20  # bytes of each segment a publication: the stage is held for as long as they take to be counted


@dataclass
class _Following:
    """A rollout as this process last published it."""

    stage: StageRow
    published: Published

    @property
    def taken_up(self) -> bool:
        """Whether the source is known to the stage."""
        stage = self.published.accumulator.stage
        return self.published.seq > 0 and stage is not None and stage.terms.generation == self.stage.generation


class EvidencePublisher:
    """A duty of the gateway's agent. `source`: asked when there is something to publish."""

    name = "evidence"
    every = 1.0

    def __init__(
        self,
        control: Callable[[], ControlStore],
        home: Path,
        source: Callable[[], Source],
        serves: Callable[[str], bool] = lambda model: True,
    ) -> None:
        """`serves`: whether gateways answer for a model; of one that is served elsewhere they have nothing to count."""
        self._control, self._home, self._source, self._serves = control, home, source, serves
        self._following: dict[str, _Following] = {}

    def run(self) -> None:
        """Publish what is new. One publication of each rollout, but for a gateway that has a long log to catch up with."""
        control = self._control()
        live = [stage for stage in live_stages(control) if self._serves(stage.model)]
        self._following = {each: known for each, known in self._following.items() if each in {one.rollout for one in live}}
        problem: Exception | None = None
        for stage in live:
            try:
                self._follow(control, stage)
            except Exception as error:  # noqa: BLE001 - one model's log holds up no other's; the agent is told of it
                self._following.pop(stage.rollout, None)  # what the store has is right, whatever happened
                problem = error
        if problem is not None:
            raise problem

    def _follow(self, control: ControlStore, live: LiveStage) -> None:
        known = self._following.get(live.rollout)
        if known is None or known.stage.generation < live.generation:
            known = self._begin(control, live)
        if known is None or live.ahead:
            return
        while True:
            accumulator = known.published.accumulator
            records, cursor = read_tail(self._home, live.model, known.stage.terms.since_at, accumulator.cursor, PORTION)
            fault.point("evidence.publish.read")
            if known.taken_up and not records and cursor == accumulator.cursor:
                return
            more = any(cursor[name] - accumulator.cursor.get(name, 0) > PORTION // 2 for name in cursor)
            if not self._publish(control, live, known, records, cursor) or not more:
                return

    def _begin(self, control: ControlStore, live: LiveStage) -> _Following | None:
        """From what was published before, whoever did."""
        with control.transaction() as connection:
            stage = lock_stage(connection, live.rollout, alone=False)
            if stage is None:
                return None
            found = _Following(stage, read_source(connection, live.rollout, self._source(), stage))
        self._following[live.rollout] = found
        return found

    def _publish(
        self, control: ControlStore, live: LiveStage, known: _Following, records: list[Record], cursor: dict[str, int]
    ) -> bool:
        """Count the records and publish, in one transaction. False: not now, nothing is counted."""
        source = self._source()
        with control.transaction() as connection:
            stage = lock_stage(connection, live.rollout, alone=False)
            ahead = route_in(connection, live.model)[0]
            if stage is None or stage.generation != known.stage.generation or ahead > stage.generation:
                return False  # the rollout is over, or has gone on since it was looked at
            known.stage = stage
            others = others_clock(connection, live.rollout, stage.generation, source.name)
            fresh_stage(known.published, stage, others)
            known.published.accumulator.add(records)
            known.published.accumulator.cursor = cursor
            if not write_source(connection, live.rollout, source, known.published):
                raise ConflictError(
                    f"Another process publishes the evidence of this gateway ({source.name}) for {live.model}.",
                    safe="this one's work was dropped: each record counts once.",
                    hint="one agent works for a home; look for a second gateway in it.",
                )
            fault.point("evidence.publish.written")
        fault.point("evidence.publish.committed")
        known.published.seq += 1
        for journal in known.published.accumulator.journals:
            journal.published()
        return True


def source_of(settings: Settings) -> Source:
    """The gateway of a home."""
    home = settings.home
    return Source(gateway_id(home), first_id(home), fingerprint(entity_key(home, settings.environ)))
