"""Events as columns: each one's JSON against the columns of its source, and why it was set aside where it does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from include.core.errors import DataError
from include.core.spec.streams import EventSource
from include.core.time import utc
from include.event_log.port import Event

INT64 = 2**63
LARGEST = 1 << 20  # bytes of an event
EPOCH = datetime.fromisoformat("1970-01-01")
_PYTHON: dict[str, Any] = {
    "text": str | None,
    "int": Annotated[int, msgspec.Meta(ge=-INT64, le=INT64 - 1)] | None,
    "float": float | None,
    "bool": bool | None,
    "time": datetime | float | None,
}
ARROW: dict[str, pa.DataType] = {
    "text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "time": pa.timestamp("us"),
}  # fmt: skip
SQL = {"text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "time": "TIMESTAMP"}


@dataclass(frozen=True)
class Poison:
    """An event that was set aside, and why."""

    event: Event
    reason: str


@dataclass
class Decoded:
    """Events of one source as columns, in the order they came; `times` are microseconds since 1970."""

    events: list[Event] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def table(self, source: EventSource, chosen: Sequence[int] | None = None) -> pa.Table:
        made = pa.table({c.name: pa.array(self.columns[c.name], ARROW[c.type]) for c in source.columns})
        return made if chosen is None else made.take(pa.array(chosen, pa.int64()))


class EventDecoder:
    """For the events of one source. `key`: the column that topics are partitioned by, if any."""

    def __init__(self, source: EventSource, key: str = "") -> None:
        self.source = source
        fields = [(column.name, _PYTHON[column.type], None) for column in source.columns]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("Event", fields)).decode
        needed = {source.time, *filter(None, (key, source.id))}
        self._needed = tuple(c.name for c in source.columns if c.required or c.name in needed)
        self._names = tuple(column.name for column in source.columns)
        self._moments = tuple(column.name for column in source.columns if column.type == "time")

    def decode(self, events: Iterable[Event]) -> tuple[Decoded, list[Poison]]:
        found: list[tuple[Event, tuple[Any, ...]]] = []
        poison: list[Poison] = []
        for event in events:
            try:
                found.append((event, self._row(event)))
            except (msgspec.MsgspecError, UnicodeError, DataError, OverflowError, ValueError) as error:
                poison.append(Poison(event, error.what if isinstance(error, DataError) else f"it cannot be read: {error}"))
        columns = dict(zip(self._names, map(list, zip(*(row for _, row in found), strict=True)), strict=True)) if found else {}
        return Decoded([event for event, _ in found], columns.get(self.source.time, []), columns or self._empty()), poison

    def _empty(self) -> dict[str, list[Any]]:
        return {name: [] for name in self._names}

    def _row(self, event: Event) -> tuple[Any, ...]:
        if len(event.value) > LARGEST:
            raise DataError(f"it has {len(event.value)} bytes, more than {LARGEST}")
        read = self._decode(event.value)
        for name in self._needed:
            if getattr(read, name) is None:
                raise DataError(f"it has no {name!r}")
        for name in self._moments:
            value = getattr(read, name)
            if value is not None:
                setattr(read, name, _microseconds(value))
        return tuple(getattr(read, name) for name in self._names)


def _microseconds(value: datetime | float) -> int:
    """Since 1970, UTC. Raises DataError for what is no time of the calendar."""
    if isinstance(value, datetime):
        delta = utc(value) - EPOCH
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if not math.isfinite(value) or not -62_000_000_000_000 < value < 253_000_000_000_000:
        raise DataError(f"{value!r} milliseconds is no time between the years 5 and 9987")
    return round(value * 1000)
