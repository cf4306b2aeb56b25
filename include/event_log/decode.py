"""Events as columns: each one's JSON against the columns of its source, and why it was set aside where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.core.errors import DataError
from include.core.spec.streams import EventSource
from include.core.time import from_microseconds
from include.event_log.port import Event

INT64 = 2**63
LARGEST = 1 << 20  # bytes of an event
EARLIEST, LATEST = -62_000_000_000_000, 253_000_000_000_000  # milliseconds since 1970
REFUSED = (msgspec.MsgspecError, UnicodeError, DataError, OverflowError, ValueError, pa.ArrowInvalid, RecursionError)
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


@dataclass(frozen=True)
class Decoded:
    """Events of one source as columns, in the order they came; `times` are microseconds since 1970."""

    events: Sequence[Event]
    times: npt.NDArray[np.int64]
    columns: pa.Table

    def taken(self, chosen: Sequence[int]) -> pa.Table:
        """The columns of some of them, by their places."""
        whole = len(chosen) == len(self.events)
        return self.columns if whole else self.columns.take(pa.array(chosen, pa.int64()))


class EventDecoder:
    """For the events of one source. `key`: the column that topics are partitioned by, if any."""

    def __init__(self, source: EventSource, key: str = "") -> None:
        self.source = source
        row = msgspec.defstruct("Event", [(column.name, _PYTHON[column.type], None) for column in source.columns])
        self._one = msgspec.json.Decoder(row).decode
        self._many = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]  # made above
        needed = {source.time, *filter(None, (key, source.id))}
        self._needed = tuple(c.name for c in source.columns if c.required or c.name in needed)
        self._moments = tuple(column.name for column in source.columns if column.type == "time")

    def decode(self, events: Sequence[Event]) -> tuple[Decoded, list[Poison]]:
        """All at once; one by one where one of them does not fit."""
        rows: Any
        try:
            if any(len(event.value) > LARGEST for event in events):
                raise DataError("one is too long")
            rows = self._many(b"[%b]" % b",".join([event.value for event in events]))
            if len(rows) == len(events):  # no event can stand for none: else one holds two
                return self._columns(events, rows), []
        except REFUSED:
            pass
        found, rows, poison = [], [], []
        for event in events:
            try:
                row = self._row(event)
                self._columns([event], [row])
            except REFUSED as error:
                said = error.what if isinstance(error, DataError) else f"it cannot be read: {error}"
                poison.append(Poison(event, said))
                continue
            found.append(event)
            rows.append(row)
        return self._columns(found, rows), poison

    def _row(self, event: Event) -> Any:
        if len(event.value) > LARGEST:
            raise DataError(f"it has {len(event.value)} bytes, more than {LARGEST}")
        return self._one(event.value)

    def _columns(self, events: Sequence[Event], rows: Sequence[Any]) -> Decoded:
        """Raises DataError where a column that is needed lacks a value, or a time is none."""
        made: dict[str, pa.Array] = {}
        for column in self.source.columns:
            values = list(map(attrgetter(column.name), rows))
            if column.name in self._needed and None in values:
                raise DataError(f"it has no {column.name!r}")
            made[column.name] = _moments(values) if column.type == "time" else pa.array(values, ARROW[column.type])
        times = made[self.source.time].cast(pa.int64()).to_numpy()
        return Decoded(events, times, pa.table(made))


def _moments(values: list[Any]) -> pa.Array:
    """Times in UTC, without zone: texts that were read, or milliseconds. Raises DataError for what is no time of the calendar."""
    if any(type(value) is float for value in values):
        values = [_moment(value) if type(value) is float else value for value in values]
    return pa.array(values, pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))


def _moment(value: float) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise DataError(f"{value!r} milliseconds is no time between the years 5 and 9987")
    return from_microseconds(round(value * 1000))
