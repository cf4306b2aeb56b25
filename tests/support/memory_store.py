"""An online store in this process' memory, written against the port alone: no packed rows, no layout, no base class."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from include.core.errors import DataError
from include.core.keys import key_text
from include.core.spec import View
from include.core.time import utc
from include.online_store.store import EntityReader, Meant, OnlineStore, Row, RowFetcher, Stamped, Values, WriteReport

EPOCH = datetime.fromisoformat("1970-01-01")
MICROSECOND, CLOCKS = timedelta(microseconds=1), timedelta(hours=1)


@dataclass(frozen=True, order=True)
class Kept:
    """A row, ordered as rows replace each other."""

    event: int  # microseconds since 1970
    created: int
    payload: bytes
    expires: float = field(compare=False)  # seconds on this process' clock


class MemoryStore:
    """Conforms to `OnlineStore`."""

    def __init__(self) -> None:
        self._rows: dict[str, Kept] = {}
        self._newest: dict[str, int] = {}
        self._epochs: dict[str, str] = {}
        self._lock = threading.RLock()

    def forget(self) -> None:
        """As a server that starts again empty."""
        with self._lock:
            for known in (self._rows, self._newest, self._epochs):
                known.clear()

    # -- writing

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        return self._put(model, view, _made(model, view, rows, created))

    def write_back(self, model: str, view: View, rows: pa.Table, created: datetime) -> WriteReport:
        made = _made(model, view, rows, created)
        with self._lock:
            written = self._put(model, view, made)
            self._epochs.setdefault(_place(model, view), uuid.uuid4().hex[:16])
            for key, (_, row) in made.items():
                if self._rows[key] == row:
                    self._rows[key] = row  # it lives its ttl from now on
            same = tuple(place for key, (place, row) in made.items() if self._rows[key] == row)
            newer = sum(self._rows[key] > row for key, (_, row) in made.items())
        nameless = sum(any(row[name] is None for name in view.keys) for row in rows.select(view.keys).to_pylist())
        return WriteReport(len(made), written, tuple(sorted(same)), newer, (), nameless)

    def _put(self, model: str, view: View, made: Mapping[str, tuple[int, Kept]]) -> int:
        changed = 0
        with self._lock:
            for key, (_, row) in made.items():
                known = self._live(key)
                if known is None or row > known:
                    self._rows[key] = row
                    changed += 1
                for place in {_place(model, view), _place(model, view.model_copy(update={"version": ""}))}:
                    self._newest[place] = max(self._newest.get(place, row.event), row.event)
        return changed

    # -- reading

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        return [None if (row := self._live(key)) is None else (row.event, row.payload) for key in keys]

    def reader(self, model: str, views: Sequence[View]) -> EntityReader:
        return MemoryReader(model, views)

    def rows(self, loop: asyncio.AbstractEventLoop) -> RowFetcher | None:
        return None

    def read(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Values | None]:
        return [row and row.values for row in self.read_stamped(model, view, keys)]

    def read_stamped(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Stamped | None]:
        return [_stamped(self._live(_key(model, view, key))) for key in keys]

    def event_times(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[datetime | None]:
        return [row and row.event_timestamp for row in self.read_stamped(model, view, keys)]

    def read_entity(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime | None = None) -> Values:
        reader = MemoryReader(model, views)
        return reader.known(self.fetch(reader.keys(entity)), at)

    def read_entities(
        self, model: str, views: Sequence[View], entities: Sequence[Mapping[str, Any]], at: datetime | None = None
    ) -> list[Values]:
        return [self.read_entity(model, views, entity, at) for entity in entities]

    # -- looking

    def newest(self, model: str, views: Sequence[View]) -> list[datetime | None]:
        found = (self._newest.get(_place(model, view)) for view in views)
        return [None if event is None else _moment(event) for event in found]

    def count(self, model: str, view: View) -> int:
        return sum(key.startswith(_place(model, view)) and self._live(key) is not None for key in list(self._rows))

    def holds(self, model: str, views: Sequence[View]) -> list[bool]:
        return [self.count(model, view) > 0 for view in views]

    def epochs(self, model: str, views: Sequence[View]) -> list[str]:
        return [self._epochs.get(_place(model, view), "") for view in views]

    def lost(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        made = _made(model, view, rows, created)
        return sum((known := self._live(key)) is None or known < row for key, (_, row) in made.items())

    def sweep(self, model: str, view: View) -> int:
        with self._lock:
            gone = [key for key in self._rows if key.startswith(_place(model, view)) and self._live(key) is None]
            for key in gone:
                del self._rows[key]
        return len(gone)

    def remove(self, owner: str, meant: Meant) -> int:
        with self._lock:
            gone = [key for key in self._rows if _is_meant(key, owner, meant)]
            for key in gone:
                del self._rows[key]
        return len(gone)

    def purge(self) -> list[str]:
        return []

    def _live(self, key: str) -> Kept | None:
        row = self._rows.get(key)
        return row if row is not None and row.expires > time.monotonic() else None


class MemoryReader:
    """Conforms to `EntityReader`."""

    def __init__(self, model: str, views: Sequence[View]) -> None:
        self._model, self._views, self.width = model, views, len(views)

    def keys(self, entity: Mapping[str, Any]) -> list[str]:
        return [_key(self._model, view, [entity.get(name) for name in view.keys]) for view in self._views]

    def values(self, rows: Sequence[Row | None], at: datetime) -> Values:
        return self.known(rows, at)

    def known(self, rows: Sequence[Row | None], at: datetime | None) -> Values:
        values: Values = {}
        for view, row in zip(self._views, rows, strict=True):
            if row is not None and (at is None or view.ttl is None or utc(at) - _moment(row[0]) <= view.ttl):
                values |= json.loads(row[1])
        return values


def _stamped(row: Kept | None) -> Stamped | None:
    return None if row is None else Stamped(_moment(row.event), _moment(row.created), json.loads(row.payload))


def _place(model: str, view: View) -> str:
    """What the keys of a version of a view begin with."""
    schema = [view.keys, [[feature.name, feature.dtype] for feature in view.features]]
    return json.dumps([model, view.name, view.version, schema]) + "\n"


def _key(model: str, view: View, key: Sequence[Any]) -> str:
    return _place(model, view) + json.dumps([None if value is None else key_text(value) for value in key])


def _is_meant(key: str, owner: str, meant: Meant) -> bool:
    place, entity = key.split("\n")
    model, view, *_ = json.loads(place)
    return bool(model == owner and meant(view, json.loads(entity)))


def _made(model: str, view: View, rows: pa.Table, created: datetime) -> dict[str, tuple[int, Kept]]:
    """Of each key the newest row and its place in the table."""
    names = [*view.keys, "event_timestamp", *(feature.name for feature in view.features)]
    if missing := [name for name in names if name not in rows.column_names]:
        raise DataError(f"Rows for the online view {view.name!r} lack columns.", seen=missing, safe="nothing was written.")
    stamped = [name for name in ("created_timestamp",) if name in rows.column_names]
    expires = math.inf if view.ttl is None else time.monotonic() + (view.ttl + CLOCKS).total_seconds()
    made: dict[str, tuple[int, Kept]] = {}
    for place, row in enumerate(rows.select([*names, *stamped]).to_pylist()):
        if any(row[name] is None for name in view.keys):
            continue
        key = _key(model, view, [row[name] for name in view.keys])
        values = {feature.name: _value(row[feature.name]) for feature in view.features}
        times = _micros(row["event_timestamp"]), _micros(row.get("created_timestamp") or created)
        kept = Kept(*times, json.dumps(values).encode(), expires)
        if key not in made or kept > made[key][1]:
            made[key] = place, kept
    return made


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _micros(moment: datetime) -> int:
    return (utc(moment) - EPOCH) // MICROSECOND


def _moment(microseconds: int) -> datetime:
    return EPOCH + microseconds * MICROSECOND


if TYPE_CHECKING:
    _CONFORMS: tuple[OnlineStore, EntityReader] = (MemoryStore(), MemoryReader("", ()))
