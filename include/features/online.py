"""The online store: for each view and entity the newest known values, packed in one row.

A row is guarded: a newer (event time, created) replaces an older one and never the other way, so backfills,
retries and parallel days may write in any order. Backends say only how to put and get packed rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa

from include.core.spec import View

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime.fromisoformat("1970-01-01")

Values = dict[str, Any]  # feature name to value; NaN comes back as None


class OnlineStore(Protocol):
    """The port: `include.backends.online:open_online(url)`. Safe for many processes and threads at once.

    Every call raises UnreachableError, naming the address, if the store does not answer.
    """

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        """Upsert rows (keys, event_timestamp, features); returns how many were newer than what was there.

        `created` (UTC) says which of two values for one event time is the correction: the newer.
        """

    def read(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Values | None]:
        """The values for each key tuple in the order of `view.keys`, None where there is none."""

    def read_entity(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime | None = None) -> Values:
        """All features known of one entity: the serving path. Absent names are unknown.

        With `at` (UTC, without zone), values older than their view's ttl by then count as unknown.
        """

    def event_times(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[datetime | None]:
        """The event time of each key's values."""

    def count(self, model: str, view: View) -> int:
        """How many entities the view holds."""


class Packed(NamedTuple):
    """One stored row. Times are microseconds since 1970, UTC."""

    key: str
    event: int
    created: int
    payload: bytes


class Stored(NamedTuple):
    event: int
    payload: bytes


class PackedStore(ABC):
    """OnlineStore on top of three verbs over packed rows."""

    @abstractmethod
    def put(self, rows: Sequence[Packed]) -> int:
        """Guarded upsert of distinct keys; how many changed."""

    @abstractmethod
    def get(self, keys: Sequence[str]) -> list[Stored | None]: ...

    @abstractmethod
    def size(self, prefix: str) -> int:
        """How many keys start with the prefix."""

    def write(self, model: str, view: View, rows: pa.Table, created: datetime) -> int:
        newest: dict[str, Packed] = {}
        for row in pack(model, view, rows, created):
            if row.key not in newest or row.event >= newest[row.key].event:
                newest[row.key] = row
        return self.put(list(newest.values())) if newest else 0

    def read(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[Values | None]:
        stored = self.get([row_key(model, view.name, key) for key in keys])
        return [unpack(row.payload) if row else None for row in stored]

    def event_times(self, model: str, view: View, keys: Sequence[tuple[Any, ...]]) -> list[datetime | None]:
        stored = self.get([row_key(model, view.name, key) for key in keys])
        return [EPOCH + timedelta(microseconds=row.event) if row else None for row in stored]

    def read_entity(self, model: str, views: Sequence[View], entity: Mapping[str, Any], at: datetime | None = None) -> Values:
        value = entity.get
        keys = [row_key(model, view.name, [value(key) for key in view.keys]) for view in views]
        values: Values = {}
        for view, row in zip(views, self.get(keys), strict=True):
            if row is not None and (at is None or view.ttl is None or microseconds(at) - row.event <= view.ttl // MICROSECOND):
                values.update(unpack(row.payload))
        return values

    def count(self, model: str, view: View) -> int:
        return self.size(prefix(model, view.name))


def prefix(model: str, view: str) -> str:
    return f"{model}:{view}:"


_encode_key = msgspec.json.Encoder().encode
_encode = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(dict[str, int | float | str | None]).decode


def row_key(model: str, view: str, keys: Sequence[Any]) -> str:
    """Model, view and the keys as JSON: no two entities share one, whatever their names hold."""
    return f"{model}:{view}:{_encode_key(keys).decode()}"


def microseconds(moment: datetime) -> int:
    """Since 1970, UTC; a time without zone is UTC."""
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return (naive - EPOCH) // MICROSECOND


def pack(model: str, view: View, rows: pa.Table, created: datetime) -> Iterator[Packed]:
    """The rows of a table with the view's columns; those with a null key are left out."""
    names = [feature.name for feature in view.features]
    times = rows["event_timestamp"].cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    keys = zip(*(rows[key].to_pylist() for key in view.keys), strict=True)
    values = zip(*(rows[name].to_pylist() for name in names), strict=True)
    stamp = microseconds(created)
    for event, key, row in zip(times, keys, values, strict=True):
        if None not in key:
            known = {name: None if value != value else value for name, value in zip(names, row, strict=True)}
            yield Packed(row_key(model, view.name, key), event, stamp, _encode(known))
