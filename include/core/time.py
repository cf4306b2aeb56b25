"""Times and days, in the two forms that this project has. Nothing else here knows of zones.

- **UTC without a zone** (`utc`, `parse_time`, `utc_now`): event times, as feature rows, logs, windows and partitions hold them.
- **UTC with a zone** (`now`, `instant`): when something of ours happened, as rows of the control store, the ledger and the
  prediction log record it. Its text (`timestamp`) sorts as the times do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from include.core.errors import DataError

ALLOWED = "ISO 8601, such as 2013-04-01T12:00:00Z, from the year 1 to the year 9999 in UTC"
ONE_DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)  # the finest that a time here is
EPOCH = datetime.fromisoformat("1970-01-01")


def utc(moment: datetime) -> datetime:
    """The moment in UTC, without a zone; one without a zone is UTC already.

    Raises DataError for one that its offset moves out of the calendar: 0001-01-01T00:00:00+01:00 is in no year.
    """
    zone = moment.tzinfo
    if zone is None:
        return moment
    if zone is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except (OverflowError, ValueError):
            raise DataError(
                "A time leaves the calendar when it is shifted to UTC.",
                seen=moment.isoformat(),
                safe="nothing was read or written for it.",
                hint=f"send {ALLOWED}.",
            ) from None
    return moment.replace(tzinfo=None)


def microseconds(moment: datetime) -> int:
    """Since 1970, UTC; a time without zone is UTC."""
    return (utc(moment) - EPOCH) // MICROSECOND


def from_microseconds(since: int) -> datetime:
    """The moment, in UTC without a zone, so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=since)


def parse_time(text: str) -> datetime:
    """ISO 8601, with or without a zone, as `utc`. Raises DataError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError("A time cannot be read.", seen=text, safe="nothing was changed.", hint=f"write {ALLOWED}.") from None
    return utc(moment)


def utc_now() -> datetime:
    """The present moment in UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def now() -> datetime:
    """The present moment in UTC, with its zone."""
    return datetime.now(UTC)


def instant(text: str) -> datetime:
    """The moment that a text of ours names, in UTC with its zone; a text without a zone is UTC, wherever the host stands.

    Raises ValueError for a text that is not ISO 8601: what comes from outside is read by `parse_time`.
    """
    return zoned(datetime.fromisoformat(text))


def zoned(moment: datetime) -> datetime:
    """The moment in UTC, with its zone; one without a zone is UTC already."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def timestamp(moment: datetime | None = None) -> str:
    """A moment, by default the present one, as the control store and the ledger hold it: ISO 8601, UTC, milliseconds."""
    return (moment or now()).isoformat(timespec="milliseconds")


def precise(moment: datetime | None = None) -> str:
    """A moment, by default the present one, as the prediction log holds it: ISO 8601, UTC, microseconds."""
    return (moment or now()).isoformat(timespec="microseconds")


def start_of_day(day: date) -> datetime:
    """The first moment of a day, in UTC without a zone."""
    return datetime.combine(day, time())


def end_of_day(day: date) -> datetime:
    """The first moment after a day, in UTC without a zone: days are half open."""
    return start_of_day(day + ONE_DAY)


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included; none if `last` is earlier."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
