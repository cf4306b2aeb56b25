"""The online features of requests, and what happens when their store is away: the features last read of an entity
stand in, for as long as the spec says; of an entity never read, the defaults.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from include.core.spec import ModelSpec, View
from include.serving.breaker import Breaker
from include.serving.contract import Item
from include.serving.last_known import LastKnown

log = logging.getLogger(__name__)
_asdict = msgspec.structs.asdict
PAUSE_SECONDS, LONGEST_PAUSE = 1.0, 8.0  # after a failure the store is left alone: its timeout is not every caller's wait
AWAY, STALE = ["features"], ["last_known"]  # what is degraded: the defaults stand in, or what was last read

Features = tuple[dict[str, Any], list[str]]  # feature to value (absent: unknown), and what is degraded
Answer = Callable[[list[Features]], None]


class FeatureReader:
    """Reads entities' features. A failing store costs one turn in a while its timeout, and nobody an error.

    The store is opened on first use, so that a gateway starts while its store is down.
    """

    def __init__(self, open_store: Callable[[], Any], opened: Callable[[], None] | None = None) -> None:
        """`opened` is called whenever the store's circuit opens."""
        self._open = open_store
        self._store: Any = None
        self.breaker = Breaker(1, PAUSE_SECONDS, LONGEST_PAUSE, opened=opened)
        self.failures = 0

    def source(self, spec: ModelSpec) -> Source:
        """What reads one model's features."""
        return Source(self, spec)

    def write(self, model: str, view: View, rows: Any, created: datetime) -> int:
        """Push a table of rows; how many were newer than what was there. Raises UnreachableError."""
        return int(self.opened().write(model, view, rows, created))

    def opened(self) -> Any:
        if self._store is None:
            self._store = self._open()
        return self._store

    def failed(self, error: Exception) -> None:
        self.breaker.failed()
        self.failures += 1
        log.warning("the online store did not answer: %s", error)


class Source:
    """One model's features, all items of a turn in one round trip."""

    def __init__(self, reader: FeatureReader, spec: ModelSpec) -> None:
        self._reader, self._model, self._views = reader, spec.name, spec.features.views
        self._last = LastKnown(spec.serving.last_known.total_seconds())

    def read(self, items: Sequence[Item], now: datetime, answer: Answer) -> None:
        """Calls `answer` with the features of each item, in order, as known at its moment (UTC, no zone)."""
        if not self._views:
            answer([({}, [])] * len(items))
            return
        entities, breaker = [_asdict(item.entity) for item in items], self._reader.breaker
        if not breaker.allows():
            answer(self._known(entities))
            return
        try:
            found = self._read(items, entities, now)
        except Exception as error:  # noqa: BLE001 - a store of any vendor, broken in any way, is a degraded answer
            self._reader.failed(error)
            answer(self._known(entities))
            return
        breaker.succeeded()
        self._keep(entities, found)
        answer([(values, []) for values in found])

    def _keep(self, entities: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
        keep, moment = self._last.keep, time.monotonic()
        for entity, values in zip(entities, found, strict=True):
            keep(tuple(entity.values()), values, moment)

    def _known(self, entities: list[dict[str, Any]]) -> list[Features]:
        """What was last read of them; the defaults where that is nothing, or too long ago."""
        last = [self._last.get(tuple(entity.values())) for entity in entities]
        return [({}, AWAY) if values is None else (values, STALE) for values in last]

    def _read(self, items: Sequence[Item], entities: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
        store = self._reader.opened()
        if not any(item.event_time for item in items):
            found: list[dict[str, Any]] = store.read_entities(self._model, self._views, entities, now)
            return found
        moments = [utc(item.event_time) if item.event_time else now for item in items]
        return [
            store.read_entity(self._model, self._views, entity, moment) for entity, moment in zip(entities, moments, strict=True)
        ]


def utc(moment: datetime) -> datetime:
    """In UTC and without a zone, as feature rows have it."""
    from datetime import UTC

    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
