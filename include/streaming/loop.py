"""One process of a stream: read events, compute, write online, keep offline, and only then commit how far it came.

Killed anywhere, the next process makes the same state of the same events and writes the same rows again, which changes nothing:
the online store takes what is newer, and the offline log is read by key and event time. It reads no further while what it writes
to is away, so memory is bounded by what still counts of the events, and by one batch.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from include.core import fault
from include.core.errors import ConflictError, DataError, TransientError
from include.core.time import now
from include.event_log.port import Event, EventConsumer, Place, Standing
from include.features.streams.arrivals import NOTHING
from include.features.streams.taken import Engine, Taken
from include.streaming.sink import Sink
from include.streaming.standing import moved, start_of
from include.streaming.telemetry import StreamMetrics

log = logging.getLogger(__name__)
RECENT = 1000  # events of which more than half may not be set aside for their form
SAMPLED = 16  # events of a batch whose latency is noted
REST = 1.0  # seconds between two tries while what is written to is away


@dataclass(frozen=True)
class Limits:
    batch: int = 20_000
    """Events that are computed at a time."""
    wait: float = 0.1
    """Seconds to wait for the first of them."""
    flush: float = 5.0
    """Seconds between two commits."""
    from_start: bool = False
    accept_gap: bool = False
    until_end: bool = False


class _Abandoned(Exception):
    """What was being written is somebody else's to write now."""


class StreamLoop:
    """The listener of its consumer."""

    def __init__(
        self, owner: str, engine: Engine, consumer: EventConsumer, sink: Sink, metrics: StreamMetrics, limits: Limits, *,
        whole: bool,
    ) -> None:  # fmt: skip
        self._owner, self._engine, self._consumer, self._sink = owner, engine, consumer, sink
        self.metrics, self._limits, self._whole = metrics, limits, whole
        self._mine: set[Place] = set()
        self._flushed = time.monotonic()
        self._forms: deque[bool] = deque(maxlen=RECENT)
        self._had_all = False
        self._pending = False  # whether something was read since the last commit
        self._writing = False  # whether there are rows that are computed and not written
        self._term = 0  # grows whenever the places that are ours change

    def run(self, stop: Callable[[], bool], until_end: bool = False) -> None:
        """Until `stop` says so; with `until_end`, until there is nothing more to read. What was read is committed then."""
        self._sink.begin()
        self._consumer.start(self)
        try:
            while not stop():
                read = self.step()
                if until_end and not read and self._mine and not self._behind():
                    break
            self.flush()
        finally:
            self._consumer.close()

    def step(self) -> int:
        """One batch; how many events it had."""
        polled = self._consumer.poll(self._limits.batch, self._limits.wait)
        if not self._mine:
            return 0
        # What came before a hand-over within the same call is not ours any more.
        events = [event for event in polled if event.place in self._mine and event.offset >= self._engine.read_to(event.place)]
        if not events:
            self._at_ends()
        try:
            self._take(events)
        except _Abandoned:
            log.warning(
                "the partitions of %s went to another process while a batch was written; it writes the batch", self._owner
            )
        return len(events)

    def _take(self, events: Sequence[Event]) -> None:
        taken = self._engine.take(events, self._behind())
        self._judge(len(events), taken)
        self._writing = True
        try:
            self._patient(lambda: self._sink.write(taken.due))
        finally:
            self._writing = False
        self._engine.written()
        self._sink.keep(taken.due, taken.poison)
        self._pending = self._pending or bool(events)
        self._note(taken, [event.stamp for event in events[:: max(1, len(events) // SAMPLED)]])
        if self._pending and (self._sink.full or time.monotonic() - self._flushed >= self._limits.flush):
            self.flush()

    def flush(self) -> None:
        """Everything that was read is written, and committed."""
        self._patient(self._sink.flush)
        self._commit()

    def _commit(self) -> None:
        self._flushed = time.monotonic()
        positions = self._engine.positions()
        fault.point("stream.commit")
        if positions and not self._consumer.commit(positions):
            log.warning("another consumer of %s reads our partitions now; they are read again where it left off", self._owner)
            self._give_up()
        fault.point("stream.committed")
        self._pending = False

    # -- the listener --------------------------------------------------------------------------------------------------------

    def assigned(self, found: Mapping[Place, Standing]) -> Mapping[Place, int]:
        if self._whole and not self._all(found):
            self._give_up()
            return {}
        self._mine = set(found)
        self._term += 1
        self._engine.keep(found)
        fresh = {place for place, each in found.items() if moved(each.position, self._engine.reads(place))}
        parts = {part for _, part in (found if self._whole and fresh else fresh)}
        starts = {place: self._engine.reads(place) or 0 for place in found if place[1] not in parts}
        self._engine.forget(parts)
        for place, standing in found.items():
            if place[1] in parts:
                position = None if self._limits.from_start and not self._had_all else standing.position
                named = Standing(position, standing.low, standing.high)
                starts[place] = start_of(self._owner, place, named, accept_gap=self._limits.accept_gap)
                self._engine.begin(place, position, starts[place])
        self._had_all = True
        log.info("reads %s", ", ".join(f"{topic}/{part} from {starts[topic, part]}" for topic, part in sorted(starts)))
        return starts

    def released(self, places: Collection[Place]) -> None:
        if not self._mine & set(places):
            return
        if self._writing:  # we are told while we wait for what does not answer
            self._give_up()
            return
        try:  # within a call of the consumer's: no waiting here
            self._sink.flush()
            self._commit()
        except TransientError as error:
            log.warning("not committed, so the next reader writes it again: %s", error)
            self._give_up()

    def lost(self, places: Collection[Place]) -> None:
        if self._mine & set(places):
            self._give_up()

    def _all(self, found: Mapping[Place, Standing]) -> bool:
        """Whether every partition is ours, where one reader is to see everything."""
        missing = sum(self._consumer.counts().values()) - len(found)
        if missing and found and not self._had_all:
            raise ConflictError(
                f"Another process reads the stream of {self._owner}, and its views are not by one key: one process alone may.",
                seen=f"{len(found)} of {len(found) + missing} partitions",
                safe="nothing was read; the other goes on.",
                hint="stop the other first; or name the column that the topics are partitioned by as streams.key.",
            )
        return not missing

    def _give_up(self) -> None:
        self._mine = set()
        self._term += 1
        self._engine.keep(())
        self._sink.forget()
        self._pending = False

    # -- a batch -------------------------------------------------------------------------------------------------------------

    def _patient(self, act: Callable[[], object]) -> None:
        """Until what it writes to answers. Meanwhile we stay a member of the group, and read nothing."""
        term = self._term
        while True:
            try:
                act()
            except TransientError as error:
                self.metrics.set("blocked", 1)
                log.warning("waits: %s", error)
                self._consumer.rest(REST)
                if self._term != term:
                    raise _Abandoned from error
                continue
            self.metrics.set("blocked", 0)
            return

    def _judge(self, read: int, taken: Taken) -> None:
        """Raises DataError where so many events cannot be read that it is no longer single ones that are wrong."""
        bad = len(taken.poison) - taken.late
        self._forms.extend([True] * bad + [False] * max(read - bad, 0))
        if sum(self._forms) > RECENT / 2:
            raise DataError(
                f"More than half of the last {RECENT} events of {self._owner} cannot be read: has their form changed?",
                seen=taken.poison[-1].reason if taken.poison else "",
                safe="nothing of this batch was committed; it is read again.",
                hint="make streams.sources of the spec and the events agree, and start the stream again.",
            )

    def _behind(self) -> set[Place]:
        highs = self._consumer.highs()
        return {place for place in self._mine if highs.get(place, 0) > self._engine.read_to(place)}

    def _at_ends(self) -> None:
        highs = self._consumer.highs()
        for place in self._mine:
            if place in highs:
                self._engine.place_at_end(place, highs[place])

    def _note(self, taken: Taken, stamps: Sequence[int]) -> None:
        metrics, engine = self.metrics, self._engine
        metrics.add("events_total", by=taken.counted)
        for each in taken.due:
            metrics.add("rows_total", each.view.name, each.newest.num_rows)
        if taken.late:
            metrics.add("set_aside_total", "late", taken.late)
        if bad := len(taken.poison) - taken.late:
            metrics.add("set_aside_total", "unreadable", bad)
        for stamp in stamps:
            metrics.took(max(0.0, now().timestamp() - stamp / 1e6))
        if engine.watermark > NOTHING:
            metrics.set("watermark_seconds", engine.watermark / 1e6)
        highs = self._consumer.highs()
        unit = self._consumer.unit
        lags = {place: max(0, highs[place] - engine.read_to(place)) for place in self._mine if place in highs}
        metrics.lag({place: -(-lag // unit) for place, lag in lags.items()})
        metrics.set("held_events", engine.held())
        metrics.beat()
