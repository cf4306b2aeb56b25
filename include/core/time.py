"""Times of callers, authors and queues in the one form that feature rows, logs and partitions have: UTC, without a zone."""

from __future__ import annotations

from datetime import UTC, datetime

from include.core.errors import DataError

ALLOWED = "ISO 8601, such as 2013-04-01T12:00:00Z, from the year 1 to the year 9999 in UTC"


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


def parse_time(text: str) -> datetime:
    """ISO 8601, with or without a zone, as `utc`. Raises DataError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError("A time cannot be read.", seen=text, safe="nothing was changed.", hint=f"write {ALLOWED}.") from None
    return utc(moment)
