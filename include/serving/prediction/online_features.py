"""The online features of requests, and what happens when their store does not answer: the features last read of an entity
stand in, for as long as the spec says; of an entity never read, the defaults.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from include.core.errors import one_line
from include.core.spec import ModelSpec, View
from include.online_store.precomputed import view_of
from include.online_store.store import EntityReader, Fetched, OnlineStore, Row, RowFetcher, RowWriter
from include.serving.circuit_breaker import Breaker
from include.serving.prediction.last_known import LastKnown
from include.serving.prediction.request_types import Item
from include.serving.telemetry.counters import Metrics

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)
_asdict = msgspec.structs.asdict
PAUSE_SECONDS, LONGEST_PAUSE = 1.0, 8.0  # after a failure the store is left alone: its timeout is not every caller's wait
NO_KEY = "!none"  # no row is stored under it
AWAY, STALE = ["features"], ["last_known"]  # what is degraded: the defaults stand in, or what was last read

Features = tuple[dict[str, Any], list[str]]  # feature to value (absent: unknown), and what is degraded
Respond = Callable[[list[Features]], None]
Views = tuple[str, tuple[tuple[str, str], ...]]  # a model, and the names and versions of a set of its views


class Tally:
    """How often a set of views was asked, and how often each of them had no row. Counted by the event loop, for one reader."""

    __slots__ = ("asked", "exported", "flags", "missing")

    def __init__(self, views: Sequence[View]) -> None:
        self.asked, self.missing = 0, {view.name: 0 for view in views}
        self.exported = (0, dict(self.missing))  # what the metrics have
        self.flags: list[str] = []  # of answers while views are lost as a whole

    def miss(self, rows: Sequence[Row | None], width: int) -> None:
        """`width`: rows of an item, of which the first are those of these views."""
        for place, name in enumerate(self.missing):
            self.missing[name] += rows[place::width].count(None)


class FeatureReader:
    """Reads entities' features. A failing store costs one batch now and then its timeout, and nobody an error.

    The store is opened on first use, so that a gateway starts while its store is down.
    """

    def __init__(
        self,
        open_store: Callable[[], OnlineStore],
        opened: Callable[[], None] | None = None,
        writer: Callable[[OnlineStore], RowWriter] | None = None,
    ) -> None:
        """`opened` is called whenever the store's circuit opens; `writer` makes what pushed rows go through, if not the store."""
        self._open = open_store
        self._store: OnlineStore | None = None
        self._writer = writer
        self._fetcher: RowFetcher | None = None
        self._fetcher_known = False
        self.breaker = Breaker(1, PAUSE_SECONDS, LONGEST_PAUSE, opened=opened)
        self.failures = 0
        self._tallies: dict[Views, Tally] = {}

    def source(self, spec: ModelSpec, views: tuple[View, ...]) -> Source:
        """What reads these views of a model."""
        return Source(self, spec, views)

    def tally(self, model: str, views: Sequence[View]) -> Tally:
        """The one of these views, whoever asks."""
        known = self._tallies.get(_views(model, views))
        return known or self._tallies.setdefault(_views(model, views), Tally(views))

    def flag(self, model: str, views: Sequence[View], flags: list[str]) -> None:
        """What every answer that is made of these views is marked with from now on."""
        self.tally(model, views).flags = flags

    def count(self, metrics: Metrics) -> None:
        """Bring what was counted since to the metrics. For one thread."""
        for (model, _), tally in list(self._tallies.items()):
            asked, missing = tally.asked, dict(tally.missing)
            for name, count in missing.items():
                if asked > tally.exported[0]:
                    metrics.asked.add(model, name, by=asked - tally.exported[0])
                    metrics.missing.add(model, name, by=count - tally.exported[1][name])
            tally.exported = asked, missing

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        """Push a table of rows; how many were newer than what was there. Raises UnreachableError, and DataError for bad rows."""
        store = self.opened()
        return (self._writer(store) if self._writer else store).write(model, view, rows, created)

    def rows(self) -> RowFetcher | None:
        """What fetches without making the event loop wait; None where the store answers at once."""
        if not self._fetcher_known:
            self._fetcher = self.opened().rows(asyncio.get_running_loop())
            self._fetcher_known = True
        return self._fetcher

    def opened(self) -> OnlineStore:
        """The store, from the first use on. Raises SpecError for an address that names none."""
        if self._store is None:
            self._store = self._open()
        return self._store

    def failed(self, error: Exception) -> None:
        if self.breaker.state != "open":  # of several batches that fail at once, the first opens it
            self.breaker.failed()
        self.failures += 1
        log.warning("the online store did not answer: %s", one_line(error))


class Source:
    """One model's features by some versions of its views, all items of a batch in one round trip."""

    def __init__(self, reader: FeatureReader, spec: ModelSpec, views: tuple[View, ...]) -> None:
        beside = view_of(spec)  # precomputed scores, which come with the features
        self._reader, self._model, self._views = reader, spec.name, views if beside is None else (*views, beside)
        self._entity: EntityReader | None = None  # of the store, made on first use
        self._last: LastKnown[dict[str, Any]] = LastKnown(spec.serving.last_known.total_seconds())
        self._tally = reader.tally(spec.name, views)

    def read(self, items: Sequence[Item], now: datetime, answer: Respond) -> None:
        """Calls `answer` with the features of each item, in order, as known at its moment (UTC, no zone).

        At once, or from the event loop when the store has answered.
        """
        if not self._views:
            answer([({}, [])] * len(items))
            return
        entities = [_asdict(item.entity) for item in items]
        if not self._reader.breaker.allows():
            answer(self._known(entities))
            return

        lost: list[int] = []  # items of which no key can be made

        def found(rows: Fetched) -> None:
            features = self._features(items, entities, now, rows)
            for place in lost:
                features[place] = ({}, AWAY)
            answer(features)

        try:
            store = self._reader.opened()
            if self._entity is None:
                self._entity = store.reader(self._model, self._views)
            keys = self._keys_of(self._entity, entities, lost)
            fetcher = self._reader.rows()
            if fetcher is not None:
                fetcher.fetch(keys, found)
                return
            fetched: Fetched = store.fetch(keys)
        except Exception as error:  # noqa: BLE001 - a store of any vendor, broken in any way, is a degraded answer
            fetched = error
        found(fetched)

    def _features(self, items: Sequence[Item], entities: list[dict[str, Any]], now: datetime, rows: Fetched) -> list[Features]:
        """Of each item, from the rows of all its views; what stands in for them if there are none."""
        entity = self._entity
        if entity is None or isinstance(rows, Exception):
            self._reader.failed(rows if isinstance(rows, Exception) else ValueError("the store was never opened"))
            return self._known(entities)
        values, width, tally = entity.values, entity.width, self._tally
        tally.asked += len(items)
        if None in rows:
            tally.miss(rows, width)
        found = []
        try:
            for place, item in enumerate(items):
                found.append(values(rows[place * width : (place + 1) * width], item.event_time or now))
        except Exception:  # noqa: BLE001 - one of them, whatever it is: the others have their features
            return self._each(entity, items, entities, now, rows)
        self._reader.breaker.succeeded()
        self._keep(entities, found)
        flags = tally.flags
        return [(each, flags) for each in found]

    def _keys_of(self, reader: EntityReader, entities: list[dict[str, Any]], lost: list[int]) -> list[str]:
        """Of all their rows. What no key can be made of is `lost`, and has keys that nothing is stored under."""
        make = reader.keys
        try:
            return [key for entity in entities for key in make(entity)]
        except Exception:  # noqa: BLE001 - one of them, whatever it is: the others are asked for
            keys: list[str] = []
            for place, entity in enumerate(entities):
                try:
                    keys += make(entity)
                except Exception as error:  # noqa: BLE001 - this one alone
                    log.warning("an entity of %s has no key: %s", self._model, one_line(error))
                    keys += [NO_KEY] * reader.width
                    lost.append(place)
            return keys

    def _each(
        self, reader: EntityReader, items: Sequence[Item], entities: list[dict[str, Any]], now: datetime, rows: list[Row | None]
    ) -> list[Features]:
        """One by one: what nobody can read of one is as good as nothing, and no fault of the store unless none can be read."""
        values, width, read = reader.values, reader.width, 0
        features: list[Features] = []
        for place, (item, entity) in enumerate(zip(items, entities, strict=True)):
            try:
                found = values(rows[place * width : (place + 1) * width], item.event_time or now)
            except Exception as error:  # noqa: BLE001 - this one alone
                log.warning("the online rows of an entity of %s cannot be read: %s", self._model, one_line(error))
                features += self._known([entity])
            else:
                read += 1
                self._keep([entity], [found])
                features.append((found, self._tally.flags))
        if read:
            self._reader.breaker.succeeded()
        else:
            self._reader.failed(ValueError(f"none of its rows of {self._model} can be read"))
        return features

    def _keep(self, entities: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
        keep, moment = self._last.keep, time.monotonic()
        for entity, values in zip(entities, found, strict=True):
            keep(tuple(entity.values()), values, moment)

    def _known(self, entities: list[dict[str, Any]]) -> list[Features]:
        """What was last read of them; the defaults where that is nothing, or too long ago."""
        last = [self._last.get(tuple(entity.values())) for entity in entities]
        return [({}, AWAY) if values is None else (values, STALE) for values in last]


def _views(model: str, views: Sequence[View]) -> Views:
    return model, tuple((view.name, view.version) for view in views)
