"""What a spec's schedules may be. Airflow makes runs of them by the same library."""

from __future__ import annotations

from datetime import UTC, datetime

EXAMPLE = "a cron of five fields, such as '0 2 * * *'"
NAMES = ("minute", "hour", "day of the month", "month", "day of the week")
ANY = ["*"]  # the library's own form of a field that leaves nothing out, however it was written


def cron(value: str) -> str:
    """A cron expression of five fields that fires at some time, or a preset such as @weekly. Raises ValueError."""
    _fields(value)
    return value


def daily(value: str) -> str:
    """A cron that fires once in every day, whatever day it is. Raises ValueError for any other.

    A run is about the day before it: of a day without a run nothing would ever be computed, and of two runs a day the
    first would come before its day is over.
    """
    minute, hour, *days = _fields(value)
    named = [name for name, field in zip(NAMES[2:], days, strict=True) if field != ANY]
    if named:
        raise ValueError(
            f"must fire every day, such as '0 2 * * *': this one leaves days out ({', '.join(named)}), which would be no run's "
            "day. A day on which nothing lands costs a sensor that waits"
        )
    if len(minute) != 1 or len(hour) != 1 or ANY in (minute, hour):
        raise ValueError("must fire once a day, such as '0 2 * * *': this one fires more often, before its day is over")
    return value


def _fields(value: str) -> list[list[int | str]]:
    from croniter import CroniterError, croniter  # type: ignore[import-untyped]  # Airflow brings it

    if len(value.split()) != (1 if value.startswith("@") else len(NAMES)):
        raise ValueError(f"must be {EXAMPLE}")
    try:
        expanded: list[list[int | str]] = croniter.expand(value)[0]
        croniter(value, datetime(2024, 1, 1, tzinfo=UTC)).get_next()
    except (CroniterError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"must be {EXAMPLE}: {error}") from error
    return expanded
