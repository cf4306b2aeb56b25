"""The days of a range: what was asked for, checked against what the source has before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from include.core.errors import DataError
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.core.time import days_between
from include.data.raw import RawPartitions

CHUNK = 32  # days that are held, published and brought online together; borders are the same for every range
SAFE = "nothing was computed; what is published stays."


@dataclass(frozen=True)
class Span:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def of(cls, first: Any, last: Any) -> Self:
        """Of two days as text, `YYYY-MM-DD`. Raises DataError for what is no day, and for an end before the start."""
        span = cls(_day("from", first), _day("to", last))
        if span.last < span.first:
            raise DataError(
                f"The range ends before it begins: from {span.first} to {span.last}.",
                seen={"from": str(span.first), "to": str(span.last)},
                safe=SAFE,
                hint="name the earlier day as `from`; both days are taken in.",
            )
        return span

    @property
    def days(self) -> list[date]:
        return days_between(self.first, self.last)

    def chunks(self) -> Iterator[Span]:
        """The range in pieces of at most CHUNK days, oldest first."""
        start = self.first
        while start <= self.last:
            end = date.fromordinal((start.toordinal() // CHUNK + 1) * CHUNK - 1)
            yield Span(start, min(end, self.last))
            start = end + timedelta(days=1)

    def clipped(self, spec: PartitionOwner) -> Span | None:
        """What of it lies within the days that the spec gives its source; None where nothing does."""
        first, last = max(self.first, spec.data.first), min(self.last, spec.data.last or self.last)
        return Span(first, last) if first <= last else None

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def check(spec: PartitionOwner, span: Span, storage: Storage) -> None:
    """Raises DataError for days that the source does not have: before its first partition, or after its last day."""
    data, raw = spec.data, RawPartitions(storage, spec.name)
    landed = {source: raw.days(source) for source in data.sources}
    nothing = [source for source, days in landed.items() if not days]
    if nothing:
        raise DataError(
            f"No partition of {', '.join(nothing)} has landed for {spec.name}.",
            seen=storage.uri(f"raw/{spec.name}/{nothing[0]}"),
            safe=SAFE,
            hint=f"land {storage.uri(raw.path(nothing[0], span.first))} first.",
        )
    first = max([data.first, *(days[0] for days in landed.values())])
    if span.first < first:
        raise DataError(
            f"The range begins before the first day of {spec.name}'s sources: the first day there is is {first}.",
            seen=str(span.first),
            safe=SAFE,
            hint=f"begin the range with {first}, or land the days before it (and set data.first in the spec).",
        )
    if data.last is not None and span.last > data.last:
        raise DataError(
            f"The range goes on after the last day of {spec.name}'s sources: data.last in the spec is {data.last}.",
            seen=str(span.last),
            safe=SAFE,
            hint=f"end the range with {data.last}, or move data.last.",
        )


def _day(name: str, value: Any) -> date:
    """A day of Airflow's calendar: Airflow hands on what the trigger form or `--conf` said."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        hint = 'give both: --conf \'{"from": "2013-01-01", "to": "2013-01-31"}\'.'
        raise DataError(f"The run parameter {name!r} is no day.", seen=value, safe=SAFE, hint=hint) from None
