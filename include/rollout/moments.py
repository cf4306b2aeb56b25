"""The moment of a record of the log as a number."""

from __future__ import annotations

from datetime import UTC, datetime

from include.core.time import MICROSECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: str) -> int:
    """Since 1970 in UTC; 0 for a text that names no moment."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return 0
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // MICROSECOND
