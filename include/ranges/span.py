"""The partitions of a range: what was asked for, checked against what the source has before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Self

from include.core.errors import DataError
from include.core.partition import DAILY, Cadence, Partition, named, refuse_future
from include.core.spec import PartitionOwner
from include.core.storage import Storage
from include.core.time import ONE_DAY
from include.data.raw import RawPartitions

CHUNK = 32  # days that are held, published and brought online together; borders are the same for every range
FINER = 256  # of partitions finer than a day: so many at most, and whole days
SAFE = "nothing was computed; what is published stays."


@dataclass(frozen=True)
class Span:
    """Partitions of a cadence from `first` to `last`, both included."""

    first: Partition
    last: Partition
    cadence: Cadence = DAILY

    def __post_init__(self) -> None:
        for name in ("first", "last"):  # a date is the day of UTC
            object.__setattr__(self, name, self.cadence.of(getattr(self, name)))

    @classmethod
    def of(cls, first: Any, last: Any, cadence: Cadence = DAILY) -> Self:
        """Of the names of two partitions; a day stands for all that begin in it. Raises DataError for what names none, and for
        an end before the start."""
        span = cls(_named("from", first, cadence)[0], _named("to", last, cadence)[-1], cadence)
        if span.last < span.first:
            raise DataError(
                f"The range ends before it begins: from {span.first} to {span.last}.",
                seen={"from": str(span.first), "to": str(span.last)},
                safe=SAFE,
                hint=f"name the earlier {_what(cadence)} as `from`; both {_what(cadence)}s are taken in.",
            )
        return span

    @property
    def days(self) -> list[Partition]:
        return self.cadence.between(self.first, self.last)

    def chunks(self) -> Iterator[tuple[int, Span]]:
        """The range in pieces, oldest first, each with the number of the block of days that it lies in."""
        block = block_of(self.cadence)
        for number, days in groupby(self.days, lambda day: self.cadence.date_of(day).toordinal() // block):
            found = list(days)
            yield number, Span(found[0], found[-1], self.cadence)

    def clipped(self, spec: PartitionOwner) -> Span | None:
        """What of it lies within the days that the spec gives its source; None where nothing does."""
        data = spec.data
        first = max(self.first, data.earliest)
        last = self.last if data.last is None else min(self.last, data.latest(data.last))
        return Span(first, last, self.cadence) if first <= last else None

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def block_of(cadence: Cadence) -> int:
    """How many calendar days a chunk's partitions begin in: CHUNK partitions of a day or longer, FINER of finer ones at most."""
    if cadence.every >= ONE_DAY:
        return CHUNK * (cadence.every // ONE_DAY)
    return max(1, min(CHUNK, FINER * cadence.every // ONE_DAY))


def check(spec: PartitionOwner, span: Span, storage: Storage) -> None:
    """Raises DataError for days that the source does not have: before its first partition, or after its last day."""
    data, raw = spec.data, RawPartitions.of(storage, spec)
    refuse_future(span.last)
    landed = {source: raw.days(source) for source in data.sources}
    nothing = [source for source, days in landed.items() if not days]
    if nothing:
        raise DataError(
            f"No partition of {', '.join(nothing)} has landed for {spec.name}.",
            seen=storage.uri(f"raw/{spec.name}/{nothing[0]}"),
            safe=SAFE,
            hint=f"land {storage.uri(raw.path(nothing[0], span.first))} first.",
        )
    first = max([data.earliest, *(days[0] for days in landed.values())])
    if span.first < first:
        what = _what(data.cadence)
        raise DataError(
            f"The range begins before the first {what} of {spec.name}'s sources: the first {what} there is is {first}.",
            seen=str(span.first),
            safe=SAFE,
            hint=f"begin the range with {first}, or land the days before it (and set data.first in the spec).",
        )
    if data.last is not None and span.last > data.latest(data.last):
        raise DataError(
            f"The range goes on after the last day of {spec.name}'s sources: data.last in the spec is {data.last}.",
            seen=str(span.last),
            safe=SAFE,
            hint=f"end the range with {data.last}, or move data.last.",
        )


def _named(name: str, value: Any, cadence: Cadence) -> list[Partition]:
    """The partitions that are meant: Airflow hands on what the trigger form or `--conf` said."""
    if isinstance(value, Partition):
        return [cadence.of(value)]
    if isinstance(value, date) and not isinstance(value, datetime):
        return cadence.within_days(value, value) or [cadence.on(value)]
    try:
        return named(str(value), cadence)
    except DataError as error:
        both = 'give both: --conf \'{"from": "2013-01-01", "to": "2013-01-31"}\'.'
        hint = both if cadence.is_daily else error.hint
        what = f"The run parameter {name!r} is no {_what(cadence)}."
        raise DataError(what, seen=value, safe=SAFE, hint=hint) from None


def _what(cadence: Cadence) -> str:
    return "day" if cadence.is_daily else "partition"
