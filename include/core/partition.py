"""A partition: a stretch of time whose rows are landed, judged, computed and published together.

A model's partitions are those of its `Cadence`: `data.every` long, cut without a gap or an overlap. Days and weeks are those of
`data.zone`, so that a day of Berlin has 23 or 25 hours twice a year; what is finer is cut in UTC, where no hour comes twice.

Names sort as the partitions do:

    2013-04-01          a day
    2013-W14            a week, from Monday
    2013-04-01T06:15    what is finer: where it begins, in UTC

**A day of UTC is its date.** It equals, sorts and hashes as the `date` does, and whoever has only the date may ask by it: so
every key, path and row of a daily model is what it was before there were others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, total_ordering
from typing import Any, Self
from zoneinfo import ZoneInfo

from include.core.errors import DataError
from include.core.time import MICROSECOND, ONE_DAY, start_of_day, utc, utc_now

ONE_WEEK, ONE_MINUTE = timedelta(days=7), timedelta(minutes=1)
PARTS_OF_A_DAY = (*(timedelta(minutes=n) for n in (15, 20, 30)), *(timedelta(hours=n) for n in (1, 2, 3, 4, 6, 8, 12)))
BEGINNING, END_OF_TIME = datetime.combine(date.min, time()), datetime.combine(date.max, time.max)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
_FINER = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}):?(\d{2})(?::00)?Z?", re.ASCII)
CLOCKS = timedelta(minutes=5)  # that two machines' clocks may differ


def folder_of(name: str) -> str:
    """Of the partition of that name, as Hive names folders: `date=2013-04-01/time=0615`, `week=2013-W14`."""
    day, _, at = name.partition("T")
    kind = "week" if _WEEK.fullmatch(day) else "date"
    return f"{kind}={day}/time={at.replace(':', '')}" if at else f"{kind}={day}"


@total_ordering
@dataclass(frozen=True, eq=False)
class Partition:
    """Half open: `start` <= time < `end`, both in UTC without a zone. `str()` is its name."""

    name: str
    start: datetime
    end: datetime

    @classmethod
    def of_day(cls, day: date) -> Self:
        """The day of UTC."""
        end = datetime.combine(day + ONE_DAY, time()) if day < date.max else END_OF_TIME
        return cls(day.isoformat(), datetime.combine(day, time()), end)

    @classmethod
    def of(cls, value: Partition | date) -> Partition:
        """Itself; a date is the day of UTC."""
        return value if isinstance(value, Partition) else cls.of_day(value)

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Partition:
        """Of what `fields` gave, among others; those of before have only the day."""
        if "start" in value and "end" in value:
            return cls(value["day"], datetime.fromisoformat(value["start"]), datetime.fromisoformat(value["end"]))
        return cls.of_day(date.fromisoformat(value["day"]))

    def fields(self) -> dict[str, Any]:
        """What a request and a result say of it: a day of UTC by its date alone, as ever; any other with where it begins and
        ends."""
        ends = {} if self.is_day else {"start": self.start.isoformat(), "end": self.end.isoformat()}
        return {"day": self.name, **ends}

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def is_day(self) -> bool:
        """Whether it is a day of UTC."""
        return self.start.time() == time() and self.name == self.start.date().isoformat() and self._is_whole_day

    @property
    def _is_whole_day(self) -> bool:
        return self.length == ONE_DAY or self.end == END_OF_TIME

    @property
    def given(self) -> Partition | date:
        """What an author's `build` is called with: the date of a day of UTC, else itself."""
        return self.start.date() if self.is_day else self

    @property
    def first_date(self) -> date:
        """The calendar day, in UTC, in which it begins."""
        return self.start.date()

    @property
    def last_date(self) -> date:
        """The calendar day, in UTC, in which it ends."""
        return (self.end - MICROSECOND).date()

    @property
    def path(self) -> str:
        """Its folder under a source's."""
        return folder_of(self.name)

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether any moment of `start` <= t < `end` is its own."""
        return self.start < end and start < self.end

    def isoformat(self) -> str:
        """Its name, as a date's."""
        return self.name

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Partition):
            return (self.name, self.start, self.end) == (other.name, other.start, other.end)
        if isinstance(other, date) and not isinstance(other, datetime):
            return self.is_day and self.start.date() == other
        return NotImplemented

    def __lt__(self, other: Partition | date) -> bool:
        if not isinstance(other, Partition | date) or isinstance(other, datetime):
            return NotImplemented
        that = Partition.of(other)
        return (self.start, self.end, self.name) < (that.start, that.end, that.name)

    def __hash__(self) -> int:
        return hash(self.start.date()) if self.is_day else hash((self.name, self.start))


@dataclass(frozen=True)
class Cadence:
    """The rule by which time is cut into partitions."""

    every: timedelta = ONE_DAY
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if (wrong := wrong_length(self.every) or wrong_zone(self.every, self.zone)) is not None:
            raise ValueError(wrong)

    @property
    def is_daily(self) -> bool:
        """Whether its partitions are the days of UTC."""
        return self.every == ONE_DAY and self._is_utc

    @property
    def words(self) -> str:
        """`day`, `week`, `hour`, `15 minutes`, `day in Europe/Berlin`."""
        zone = "" if self._is_utc else f" in {self.zone}"
        return f"{_length(self.every)}{zone}"

    @property
    def shape(self) -> str:
        """What its partitions' names look like, for messages."""
        return {ONE_DAY: "YYYY-MM-DD", ONE_WEEK: "YYYY-Www"}.get(self.every, "YYYY-MM-DDTHH:MM (UTC)")

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return "days" if self.every == ONE_DAY else "partitions"

    @property
    def folder(self) -> str:
        """The form of a partition's folder, for messages."""
        return {ONE_DAY: "date=YYYY-MM-DD", ONE_WEEK: "week=YYYY-Www"}.get(self.every, "date=YYYY-MM-DD/time=HHMM")

    @property
    def example(self) -> str:
        return self.at(start_of_day(date(2013, 4, 1)) + timedelta(hours=6, minutes=15)).name

    def fields(self) -> dict[str, Any]:
        """What a request says of it: nothing of days of UTC, so that those stay as they were."""
        return {} if self.is_daily else {"every": self.every.total_seconds(), "zone": self.zone}

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        return cls(timedelta(seconds=value["every"]), value["zone"]) if "every" in value else cls()

    # -- one partition

    def at(self, moment: datetime) -> Partition:
        """The partition that holds a moment (with a zone, or in UTC without)."""
        moment = utc(moment)
        if self.every < ONE_DAY:
            start = moment - (moment - BEGINNING) % self.every
            return Partition(start.isoformat(timespec="minutes"), start, _later(start, self.every))
        local = moment.replace(tzinfo=UTC).astimezone(self._zone).date() if not self._is_utc else moment.date()
        return self.on(local)

    def on(self, day: date) -> Partition:
        """The partition that holds the calendar day, or begins it; a day is one of the cadence's zone."""
        if self.every < ONE_DAY:
            return self.at(datetime.combine(day, time()))
        if self.every == ONE_DAY:
            return Partition(day.isoformat(), self._start(day), self._start_after(day, 1))
        monday = day - timedelta(days=day.weekday())
        year, week, _ = monday.isocalendar()
        return Partition(f"{year:04d}-W{week:02d}", self._start(monday), self._start_after(monday, 7))

    def next(self, partition: Partition | date) -> Partition:
        return self.at(self.of(partition).end)

    def previous(self, partition: Partition | date) -> Partition:
        return self.at(self.of(partition).start - MICROSECOND)

    def parse(self, text: str) -> Partition:
        """The partition of a name. Raises DataError for what is none, naming the neighbours of a moment that is not aligned."""
        found = self._read(text.strip())
        if found is None:
            raise DataError(
                f"{text!r} names no partition: there is one every {self.words}.",
                seen=text,
                safe="nothing was read or written for it.",
                hint=f"write {self.shape}, such as {self.example}.",
            )
        if isinstance(found, Partition):
            return found
        here = self.at(found)
        if here.start == found:
            return here
        raise DataError(
            f"{text} begins no partition: they begin every {self.words}, in UTC.",
            seen=text,
            safe="nothing was read or written for it.",
            hint=f"the neighbours are {here} and {self.next(here)}.",
        )

    def of(self, value: Partition | date | str) -> Partition:
        """Itself, by its name, or by a date where partitions are days. Raises DataError for what is of another cadence."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, Partition):
            return self.on(value) if self.every == ONE_DAY else self._refuse(value, self.on(value))
        return value if (here := self.at(value.start)) == value else self._refuse(value, here)

    def _refuse(self, value: Partition | date, here: Partition) -> Partition:
        raise DataError(
            f"{value} is no partition here: there is one every {self.words}.",
            seen=value.name if isinstance(value, Partition) else value,
            safe="nothing was read or written for it.",
            hint=f"name a partition as {self.shape}: the one that holds its first moment is {here}.",
        )

    # -- several

    def between(self, first: Partition | date, last: Partition | date) -> list[Partition]:
        """Every partition from `first` to `last`, both included; none if `last` is earlier."""
        return list(self._from(self.of(first), self.of(last).end))

    def touching(self, start: datetime, end: datetime) -> list[Partition]:
        """Every partition that has a moment of `start` <= t < `end`, oldest first."""
        return list(self._from(self.at(start), end)) if start < end else []

    def end_of_day(self, day: date) -> datetime:
        """The first moment after a calendar day of the cadence's zone."""
        return self._start_after(day, 1)

    def within_days(self, first: date, last: date) -> list[Partition]:
        """Every partition that begins in the calendar days from `first` to `last`; a day is one of the cadence's zone."""
        start, end = self._start(first), self._start_after(last, 1)
        return [each for each in self.touching(start, end) if each.start >= start]

    def _from(self, first: Partition, end: datetime) -> Iterator[Partition]:
        each = first
        while each.start < end:
            yield each
            if each.end == END_OF_TIME:
                return
            each = self.next(each)

    def back(self, partition: Partition | date, length: timedelta, first: Partition | None = None) -> list[Partition]:
        """The partitions of `length` before this one and itself, the last; none before `first`.

        Whole days go back by the calendar: of a day that the clocks made longer or shorter, by a day all the same.
        """
        here = self.of(partition)
        start = self.on(self.date_of(here) - length).start if self.every >= ONE_DAY else here.start - length
        oldest = start if first is None else max(start, first.start)
        return [*(self.touching(oldest, here.start)), here]

    def reading_until(self, partition: Partition | date, length: timedelta) -> datetime:
        """Partitions that begin before this moment may look back, by `length`, at this one."""
        here = self.of(partition)
        if self.every < ONE_DAY:
            return _later(here.start, length + self.every)
        return self.on(self.date_of(here) + length + self.every - ONE_DAY).end

    # -- how

    @property
    def _is_utc(self) -> bool:
        return self.zone == "UTC"

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def date_of(self, partition: Partition) -> date:
        """The calendar day, in the cadence's zone, in which a partition begins."""
        return partition.start.replace(tzinfo=UTC).astimezone(self._zone).date()

    def _start(self, day: date) -> datetime:
        """The first moment of a calendar day: where the clocks skip midnight, the moment at which they do."""
        at = datetime.combine(day, time())
        return at if self._is_utc else utc(at.replace(tzinfo=self._zone))

    def _start_after(self, day: date, days: int) -> datetime:
        if date.max - day < timedelta(days=days):
            return END_OF_TIME
        return self._start(day + timedelta(days=days))

    def _read(self, text: str) -> Partition | datetime | None:
        """A name as it stands: a partition, a moment that may begin one, or nothing that this cadence knows."""
        try:
            if self.every < ONE_DAY:
                found = _FINER.fullmatch(text)
                return datetime.fromisoformat(f"{found[1]}T{found[2]}:{found[3]}") if found else None
            if self.every == ONE_DAY:
                return self._whole(self.on(date.fromisoformat(text))) if _DAY.fullmatch(text) else None
            week = _WEEK.fullmatch(text)
            return self._whole(self.on(date.fromisocalendar(int(week[1]), int(week[2]), 1))) if week else None
        except (ValueError, OverflowError, DataError):  # no calendar has it
            return None

    def _whole(self, partition: Partition) -> Partition | None:
        """None for a day that a zone has left out, as Samoa did on its way over the date line."""
        return partition if partition.start < partition.end else None


def named(text: str, cadence: Cadence) -> list[Partition]:
    """What a person means by a name: that partition, or by a calendar day all that begin in it. Raises DataError."""
    if cadence.every != ONE_DAY and _DAY.fullmatch(text.strip()):
        try:
            day = date.fromisoformat(text.strip())
        except ValueError:
            day = None
        if day is not None:
            return cadence.within_days(day, day) or [cadence.on(day)]
    return [cadence.parse(text)]


def wrong_length(every: timedelta) -> str | None:
    """Why there are no partitions of this length; None where there are."""
    if every in (*PARTS_OF_A_DAY, ONE_DAY, ONE_WEEK):
        return None
    return (
        "must be 15, 20 or 30 minutes, 1, 2, 3, 4, 6, 8 or 12 hours, a day, or a week (timedelta(days=7)): what both a clock and "
        "a cron can count"
    )


def wrong_zone(every: timedelta, zone: str) -> str | None:
    """Why partitions of this length cannot be those of the zone; None where they can."""
    if every < ONE_DAY and zone != "UTC":
        return "is for days and weeks: what is finer is cut in UTC, where no hour comes twice; leave zone out"
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return "must be a zone that this machine knows, of the IANA database, such as 'Europe/Berlin'"
    return None


def refuse_future(partition: Partition, now: datetime | None = None) -> None:
    """Raises DataError for a partition that has not begun by this machine's clock (`now`: UTC, without a zone)."""
    at = utc_now() if now is None else now
    if partition.start > at + CLOCKS:
        raise DataError(
            f"The partition {partition} lies in the future: it begins at {partition.start.isoformat()}Z.",
            seen=f"{at.isoformat(timespec='seconds')}Z by this machine's clock",
            safe="nothing was computed or published for it.",
            hint="correct the name of the partition; if it is right, this machine's clock is behind or went back: set it first.",
        )


def _later(start: datetime, length: timedelta) -> datetime:
    return start + length if END_OF_TIME - start >= length else END_OF_TIME


def _length(every: timedelta) -> str:
    if every in (ONE_DAY, ONE_WEEK):
        return "day" if every == ONE_DAY else "week"
    hours, minutes = divmod(every // ONE_MINUTE, 60)
    if minutes:
        return f"{every // ONE_MINUTE} minutes"
    return "hour" if hours == 1 else f"{hours} hours"


DAILY = Cadence()
