"""Rows that another engine computed (Flink, Spark), from a topic a view: read, checked, stamped, written as ours are.

A message is a JSON object: the view's keys, `event_timestamp`, its features; `created_timestamp`, or the definition's own column
for it, where a later value for one event time replaces an earlier one. Without it a later message does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.spec import Column, EventSource, PartitionOwner, View
from include.core.spec.dtypes import kind_of
from include.core.time import microseconds, utc_now
from include.event_log.decode import Decoded, EventDecoder, Poison
from include.event_log.port import Event, Place, Position
from include.features.streams.arrivals import NOTHING, Arrivals
from include.features.streams.engine import IN_FUTURE, Clock
from include.features.streams.rows import EVENT
from include.features.streams.taken import Due, Taken
from include.online_store.layout import AHEAD
from include.online_store.row_codec import CREATED

TYPES = {"category": "text", "text": "text", "float": "float", "int": "int", "bool": "bool"}


class FinishedRows:
    """An `Engine` without a state: what it has read is written at once."""

    def __init__(self, spec: PartitionOwner, clock: Clock = utc_now) -> None:
        self._clock, self.watermark = clock, NOTHING
        named = {view.name: view for view in spec.features.own}
        self._views = {each.topic: named[each.view] for each in spec.streams.finished}
        self._decoders = {topic: EventDecoder(shape_of(view, topic)) for topic, view in self._views.items()}
        self._arrivals = Arrivals(0)
        self._read: dict[Place, int] = {}
        self._chains: dict[Place, int] = {}

    def keep(self, places: Iterable[Place]) -> None:
        mine = set(places)
        self._read = {place: at for place, at in self._read.items() if place in mine}

    def forget(self, parts: Collection[int]) -> None:
        self._read = {place: at for place, at in self._read.items() if place[1] not in parts}

    def begin(self, place: Place, position: Position | None, start: int) -> None:
        self._read[place] = max(start, position.next if position else 0)
        self._arrivals.begin(self._chain(place), position.stamp if position else 0)

    def reads(self, place: Place) -> int | None:
        return self._read.get(place)

    def read_to(self, place: Place) -> int:
        return self._read.get(place, 0)

    def place_at_end(self, place: Place, high: int) -> None:
        """Nothing waits for it."""

    def take(self, events: Sequence[Event], behind: Collection[Place] = ()) -> Taken:
        del behind
        taken = Taken()
        for topic, view in self._views.items():
            mine = [event for event in events if event.topic == topic and event.offset >= self._read.get(event.place, 0)]
            if mine and (due := self._due(view, topic, mine, taken)) is not None:
                taken.due.append(due)
        for event in events:
            self._read[event.place] = max(self._read.get(event.place, 0), event.offset + 1)
        return taken

    def _due(self, view: View, topic: str, events: Sequence[Event], taken: Taken) -> Due | None:
        decoded, poison = self._decoders[topic].decode(events)
        latest = microseconds(self._clock() + AHEAD)
        kept = [place for place, at in enumerate(decoded.times) if at <= latest]
        poison += [Poison(decoded.events[at], f"{IN_FUTURE} ({EVENT})") for at in np.flatnonzero(decoded.times > latest).tolist()]
        taken.poison += poison
        taken.counted += len(kept)
        if not kept:
            return None
        self.watermark = max(self.watermark, int(decoded.times[kept].max()))
        rows = self._stamped(view, decoded, kept, latest)
        return Due(view, rows, rows)  # of one key the store takes the newest

    def _stamped(self, view: View, decoded: Decoded, kept: Sequence[int], latest: int) -> pa.Table:
        table = decoded.taken(kept)
        stamps = [0] * len(kept)
        for place in {decoded.events[at].place for at in kept}:
            ours = [at for at, row in enumerate(kept) if decoded.events[row].place == place]
            made = self._arrivals.stamped(self._chain(place), [decoded.events[kept[at]].stamp for at in ours], latest).tolist()
            for at, stamp in zip(ours, made, strict=True):
                stamps[at] = stamp
        given = table[view.created] if view.created else table[CREATED]
        stamp = pc.coalesce(given, pa.array(stamps, pa.int64()).cast(pa.timestamp("us")))
        names = [*view.keys, EVENT, *(feature.name for feature in view.features)]
        return table.select(names).append_column(CREATED, stamp)

    def _chain(self, place: Place) -> int:
        return self._chains.setdefault(place, len(self._chains))

    def written(self) -> None:
        """Nothing is kept of it."""

    def positions(self) -> dict[Place, Position]:
        return {place: Position(at, at, self._arrivals.stamps.get(self._chain(place), 0)) for place, at in self._read.items()}

    def held(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


def shape_of(view: View, topic: str) -> EventSource:
    """The columns of a view's finished rows."""
    features = [Column(name=f.name, type=TYPES[kind_of(f.dtype)]) for f in view.features]
    keys = [Column(name=key, type="text", required=True) for key in view.keys]
    times = [Column(name=EVENT, type="time"), Column(name=view.created or CREATED, type="time", required=bool(view.created))]
    return EventSource(source=view.name, topics=(topic,), columns=(*keys, *features, *times), time=EVENT)
