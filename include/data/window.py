"""The stretch of event time that one check looks at. Times are UTC without a zone, as in every file here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self

from include.core.errors import DataError
from include.core.time import days_between, parse_time, utc


def moment(value: str | datetime) -> datetime:
    """A UTC time without zone, from an ISO text (any offset; none means UTC) or a datetime."""
    try:
        return parse_time(value) if isinstance(value, str) else utc(value)
    except DataError as error:
        raise DataError("This is not an ISO time.", seen=value, hint="write 2013-04-08 or 2013-04-08T06:00:00Z.") from error


@dataclass(frozen=True)
class Window:
    """Half open: `start` <= event time < `end`."""

    start: datetime
    end: datetime

    @classmethod
    def ending(cls, as_of: str | datetime, days: int) -> Self:
        end = moment(as_of)
        return cls(end - timedelta(days=days), end)

    @property
    def name(self) -> str:
        """`2013-04-01/2013-04-08`; with the time of day where it is not midnight."""
        return f"{_short(self.start)}/{_short(self.end)}"

    def days(self) -> list[str]:
        """The calendar days it touches, as `YYYY-MM-DD`."""
        first, last = self.start.date(), (self.end - timedelta(microseconds=1)).date()
        return [day.isoformat() for day in days_between(first, last)]


def _short(at: datetime) -> str:
    return at.date().isoformat() if at.time() == time() else at.isoformat()
