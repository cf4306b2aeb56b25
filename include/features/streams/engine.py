"""A set's views, computed as its events arrive: the SQL of the partitions over the events that still count.

What was touched is computed anew: the keys of new events, from the oldest of these on; every key when a partition begins. A row
is due once the watermark has passed it: the newest event time of its partition of the topic while that lags behind, else of all.
The engine writes nothing: `take` gives what is due, and `written` says that it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.reference import load
from include.core.spec import PartitionOwner
from include.core.spec.streams import EventSource
from include.core.time import MICROSECOND, from_microseconds, microseconds, utc_now
from include.data.authored import admitted
from include.event_log.decode import Decoded, EventDecoder, Poison
from include.event_log.port import Event, Place, Position
from include.features.offline.dataset import check
from include.features.streams.arrivals import NOTHING, Arrivals
from include.features.streams.rows import KnownRows
from include.features.streams.state import OFFSET, PART, STAMP, TOPIC, EventState
from include.features.streams.taken import Due, Taken
from include.online_store.layout import AHEAD

SWEEPS = 16  # in the time that an event may be late
Clock = Callable[[], datetime]


class StreamEngine:
    """For one thread. Raises DataError where the SQL does not give what the spec says, as the `features` step does."""

    def __init__(self, spec: PartitionOwner, scratch: Path, clock: Clock = utc_now) -> None:
        self._spec, self._streams, self._clock = spec, spec.streams, clock
        own = spec.features.own
        chosen = self._streams.views or tuple(view.name for view in own)
        self.state = EventState(spec, scratch)
        views = [view for view in own if view.name in chosen]
        self.rows = [KnownRows(self.state.connection, view, self._streams.key) for view in views]
        self._decoders = {source.source: EventDecoder(source, self._streams.key) for source in self._streams.sources}
        self._source_of = {topic: source for source in self._streams.sources for topic in source.topics}
        self._arrivals = Arrivals(self._streams.late // MICROSECOND)
        self._read: dict[Place, int] = {}  # the next offset
        self._restoring: dict[Place, Position] = {}  # what was committed, until the events before it are here
        self.watermark = NOTHING
        self._marks: dict[int, int] = {}  # by partition, or of WHOLE: rows up to there are due
        self._first = microseconds(spec.data.earliest.start)
        self._alone = bool(self._streams.key) and len(self.state.topics) == 1
        self._last: Partition | None = None  # that was computed
        self._admitted: set[tuple[str, str]] = set()
        self._swept = NOTHING

    # -- places --------------------------------------------------------------------------------------------------------------

    def keep(self, places: Iterable[Place]) -> None:
        """Forget every other place, with what was made of it. A partition number goes as a whole."""
        mine = set(places)
        gone = {part for _, part in {*self._read, *self._restoring} - mine} | {part for _, part in mine - set(self._read)}
        self.forget(gone if self._streams.key or not gone else {part for _, part in {*mine, *self._read}})

    def forget(self, parts: Collection[int]) -> None:
        self.state.drop(parts)
        for rows in self.rows:
            rows.drop(parts)
        for known in (self._read, self._restoring):
            for place in [place for place in known if place[1] in parts]:
                del known[place]
        for part in parts:
            self._arrivals.partitions.pop(part, None)
            self._marks.pop(part, None)
        if parts and not self._streams.key:
            self._marks, self.watermark = {}, NOTHING

    def begin(self, place: Place, position: Position | None, start: int) -> None:
        """Events of a place come from that offset on. Before the committed position they are read for what they leave behind."""
        self._read[place] = start
        self._arrivals.of(place[1])
        if position is not None:
            # Of one partition of one topic every reader gives the same stamps; else the order is its own: it begins above.
            floor = 0 if self._alone else microseconds(self._clock())
            self._arrivals.begin(self._chain(place[1]), max(position.stamp, floor))
            if start < position.next:
                self._restoring[place] = position
            if position.watermark is not None:
                part = self._chain(place[1])
                self._marks[part] = max(self._marks.get(part, NOTHING), position.watermark)
                self.state.logged(place[1], position.stamp, position.watermark)

    def reads(self, place: Place) -> int | None:
        """The offset that is next, of a place whose state is whole."""
        return None if place in self._restoring else self._read.get(place)

    def positions(self) -> dict[Place, Position]:
        """What may be committed once everything due is written."""
        floors, stamps = self.state.floors(), self._arrivals.stamps
        return {
            place: Position(at, min(floors.get(place, at), at), stamps.get(self._chain(place[1]), 0), self._mark(place[1]))
            for place, at in self._read.items()
            if not self._held_back(place[1])
        }

    # -- events --------------------------------------------------------------------------------------------------------------

    def take(self, events: Sequence[Event], behind: Collection[Place] = ()) -> Taken:
        """`behind`: the places of which there is more to read. Everything that is due now, whenever it was computed."""
        taken = Taken()
        by_source: dict[str, list[Event]] = {}
        for event in events:
            by_source.setdefault(self._source_of[event.topic].source, []).append(event)
        for source in self._streams.sources:
            if source.source in by_source:
                self._add(source, by_source[source.source], taken)
        for event in events:
            self._read[event.place] = event.offset + 1
        self._restored()
        self._advance({part for _, part in behind})
        self._compute()
        taken.due = [Due(rows.view, *found) for rows in self.rows if (found := rows.due()) is not None]
        return taken

    def written(self) -> None:
        """All that the last `take` gave is in."""
        for rows in self.rows:
            rows.written()
        self._sweep()

    def _add(self, source: EventSource, events: Sequence[Event], taken: Taken) -> None:
        decoded, poison = self._decoders[source.source].decode(events)
        kept, stamps, wrong = self._counted(source, decoded)
        if kept:
            chosen = [decoded.events[place] for place in kept]
            table = decoded.taken(kept)
            for name, values in (
                (PART, pa.array([event.partition for event in chosen], pa.int32())),
                (TOPIC, pa.array([self.state.topics.index(event.topic) for event in chosen], pa.int32())),
                (OFFSET, pa.array([event.offset for event in chosen], pa.int64())),
                (STAMP, pa.array(stamps, pa.int64())),
            ):
                table = table.append_column(name, values)
            touch = {event.partition for event in chosen if not self._held_back(event.partition)}
            broken = set(self.state.add(source, table, touch))
            named = {(self.state.topics.index(e.topic), e.partition, e.offset): e for e in chosen} if broken else {}
            wrong += [Poison(named[each], "it breaks a rule that sets rows aside") for each in sorted(broken)]
        new = [each for each in (*poison, *wrong) if not self._known(each.event)]
        taken.poison += new
        taken.late += sum(each.reason.startswith(LATE) for each in new)
        taken.counted += len(kept)

    def _counted(self, source: EventSource, decoded: Decoded) -> tuple[list[int], list[int], list[Poison]]:
        """Places of the events that count, with their stamps, and the others."""
        latest = microseconds(self._clock() + AHEAD)
        kept: list[tuple[int, int]] = []
        wrong: list[Poison] = []
        parts = np.array([event.partition for event in decoded.events], np.int64)
        for part in np.unique(parts).tolist():
            places = np.flatnonzero(parts == part)
            again = (
                [self._known(decoded.events[place]) for place in places.tolist()] if self._restoring else [False] * len(places)
            )
            dropped = np.where(np.asarray(again) | bool(self._streams.key), NOTHING, self._marks.get(WHOLE, NOTHING))
            late, ahead = self._arrivals.on_time(part, decoded.times[places], latest, dropped)
            early = np.flatnonzero(decoded.times[places] < self._first).tolist()
            out = {
                **dict.fromkeys(late.tolist(), LATE),
                **dict.fromkeys(ahead.tolist(), IN_FUTURE),
                **dict.fromkeys(early, TOO_OLD),
            }
            wrong += [Poison(decoded.events[int(places[at])], f"{why} ({source.time})") for at, why in sorted(out.items())]
            left = [int(place) for at, place in enumerate(places) if at not in out]
            kept += zip(left, self._stamps(part, [decoded.events[place] for place in left], latest), strict=True)
            if left and self._held_back(part):
                known = self._arrivals.of(part)
                new = [int(decoded.times[place]) for place in left if not self._known(decoded.events[place])]
                known.since = min([known.since, *new])
        kept.sort()
        return [place for place, _ in kept], [stamp for _, stamp in kept], wrong

    def _stamps(self, part: int, events: Sequence[Event], latest: int) -> Sequence[int]:
        """Those of events that were written before are the log's own: never above what they got then."""
        old = [event for event in events if self._known(event)]
        top = self._arrivals.stamps.get(self._chain(part), 0)
        again = [min(event.stamp, top) for event in old]
        fresh = self._arrivals.stamped(self._chain(part), [e.stamp for e in events if not self._known(e)], latest)
        if not old:
            return [int(stamp) for stamp in fresh]
        ours, theirs = iter(fresh), iter(again)
        return [next(theirs) if self._known(event) else int(next(ours)) for event in events]

    def _known(self, event: Event) -> bool:
        if not self._restoring:
            return False
        position = self._restoring.get(event.place)
        return position is not None and event.offset < position.next

    def _held_back(self, part: int) -> bool:
        """Whether the state that a partition's rows are made of is still being made again."""
        if not self._streams.key:
            return bool(self._restoring)
        return any(place[1] == part for place in self._restoring)

    def _restored(self) -> None:
        """Partitions whose state is whole again have their newest rows written again: nothing changes where they are there."""
        before = {part for part in self._arrivals.partitions if self._held_back(part)}
        for place in [p for p, position in self._restoring.items() if self._read.get(p, 0) >= position.next]:
            del self._restoring[place]
        for part in sorted(part for part in before if not self._held_back(part)):
            known = self._arrivals.of(part)
            if known.newest > NOTHING:
                since = max(self._kept_from(known.newest) - self._arrivals.late, self._first)
                self.state.touch_all(min(since, known.since), {part})
            known.since = -NOTHING

    def place_at_end(self, place: Place, high: int) -> None:
        """The log ends there: where that is the committed position, the last events before it were none of ours."""
        position = self._restoring.get(place)
        if position is not None and high <= position.next:
            self._read[place] = max(self._read[place], position.next)

    def read_to(self, place: Place) -> int:
        """The next offset."""
        return self._read.get(place, 0)

    # -- evaluation ----------------------------------------------------------------------------------------------------------

    def _advance(self, behind: Collection[int]) -> None:
        """Move the moments up to which rows are due: of each partition, or of all together where rows are of several."""
        known = {part: each.newest for part, each in self._arrivals.partitions.items() if each.newest > NOTHING}
        known = {part: newest for part, newest in known.items() if not self._held_back(part)}
        slow = [known.get(part, NOTHING) for part in behind if not self._held_back(part)]
        if not known:
            return
        newest = max(known.values())
        if self._streams.key:
            marks = {part: at if part in behind else newest for part, at in known.items()}
        else:
            marks = {WHOLE: min(slow, default=newest)}
        for part, at in marks.items():
            self._marks[part] = max(self._marks.get(part, NOTHING), at)
        self.state.mark(self._marks)
        self.watermark = max(self.watermark, min(self._marks.values()))
        if (top := max(self._marks.values())) == NOTHING:
            return
        last = self._spec.data.cadence.at(from_microseconds(top))
        if self._last is None:
            self._last = last
        elif last > self._last:
            self.state.touch_all(microseconds(self._last.end))
            self._last = last

    def _compute(self) -> None:
        span = self.state.touched()
        if span is None or self._last is None:
            return
        connection, data = self.state.connection, self._spec.data
        connection.execute("USE memory.main")
        for own in data.cadence.touching(max(span[0], data.earliest.start), min(self._reached(span[1]), self._last.end)):
            queries: Mapping[str, str] = load(self._spec.features.build)(own.given)
            missing = [rows.view.name for rows in self.rows if rows.view.name not in queries]
            if missing:
                what = f"{self._spec.features.build} gives no SQL for view {missing}."
                raise DataError(what, seen=sorted(queries), hint="add it, or name the views of the stream in streams.views.")
            chosen = {rows.view.name: queries[rows.view.name] for rows in self.rows}
            self.state.load(own, today=any("today" in sql.lower() for sql in chosen.values()))
            for rows in self.rows:
                check(connection, rows.dataset, self._admit(rows.view.name, chosen[rows.view.name]), own)
                rows.replace(own)
        self.state.done()

    def _reached(self, moment: datetime) -> datetime:
        """Rows from there on follow from no event of that moment."""
        assert self._last is not None
        if moment >= self._last.end:
            return self._last.end
        data, window = self._spec.data, self._streams.window
        if window is not None:
            return moment + window + MICROSECOND
        return data.cadence.reading_until(data.cadence.at(moment), timedelta(days=data.lookback_days))

    def _admit(self, name: str, sql: str) -> str:
        if (name, sql) not in self._admitted:
            admitted(self.state.connection, name, sql)
            if len(self._admitted) > 1000:
                self._admitted.clear()
            self._admitted.add((name, sql))
        return sql

    def _sweep(self) -> None:
        """Drop what no event to come can touch, now and then."""
        step = max(self._arrivals.late // SWEEPS, 1_000_000)
        if self.watermark < self._swept + step:
            return
        self._swept = self.watermark
        for part, known in self._arrivals.partitions.items():
            if known.newest > NOTHING and not self._held_back(part):
                self.state.forget(part, self._kept_from(known.newest), self._streams.late)
        newest = [self._kept_from(each.newest) for each in self._arrivals.partitions.values() if each.newest > NOTHING]
        for rows in self.rows:
            rows.forget(min([*newest, self.watermark]) - self._arrivals.late)

    def _kept_from(self, newest: int) -> int:
        """By what a partition's events are dropped: its own newest time; the watermark, where rows are of several partitions."""
        return newest if self._streams.key else self._marks.get(WHOLE, NOTHING)

    def _chain(self, part: int) -> int:
        """What a partition's rows are counted under: its own number, or WHOLE where rows are of several."""
        return part if self._streams.key else WHOLE

    def _mark(self, part: int) -> int | None:
        """What is due of a partition; None where nothing is."""
        found = self._marks.get(self._chain(part), NOTHING)
        return found if found > NOTHING else None

    def held(self) -> int:
        """How many events are in memory."""
        return self.state.events()

    def close(self) -> None:
        self.state.close()


WHOLE = -1  # stands for all partitions where one reader sees everything
LATE, IN_FUTURE, TOO_OLD = (
    "its time is later than the stream waits for",
    "its time is ahead of every clock",
    "its time is before data.first",
)
