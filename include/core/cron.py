"""What a spec's schedules may be. Airflow makes runs of them by the same library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from include.core.partition import ONE_MINUTE, Cadence
from include.core.time import ONE_DAY

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


def cron_of(cadence: Cadence) -> str:
    """A cron expression, in UTC, that fires as each partition ends; of a zone's days and weeks soon after."""
    minutes = cadence.every // ONE_MINUTE
    if minutes < 60:
        return f"*/{minutes} * * * *"
    if cadence.every < ONE_DAY:
        return "0 * * * *" if minutes == 60 else f"0 */{minutes // 60} * * *"
    ends = [cadence.on(day).end for day in (date(2024, 1, 17), date(2024, 7, 17))]  # with winter's time and with summer's
    at = max(end.time() for end in ends)
    weekday = "*" if cadence.every == ONE_DAY else (ends[0].weekday() + 1) % 7
    return f"{at.minute} {at.hour} * * {weekday}"


def once_in_each(value: str, cadence: Cadence) -> str:
    """A cron, in UTC, that fires once in every partition of the cadence. Raises ValueError for any other.

    It is tried over two years: what fires by the calendar repeats in them, and so do the days of a zone with 23 and 25 hours.
    """
    from croniter import croniter  # type: ignore[import-untyped]  # Airflow brings it

    _fields(value)
    start = cadence.on(date(2023, 12, 31)).end
    fires = croniter(value, start.replace(tzinfo=UTC) - timedelta(seconds=1))
    here = cadence.at(start)
    while here.start < start + timedelta(days=731 if cadence.every >= ONE_DAY else 8):
        fired = fires.get_next(datetime).replace(tzinfo=None)
        if not here.start <= fired < here.end:
            what = "leaves partitions out" if fired >= here.end else "fires more often, before a partition is over"
            raise ValueError(f"must fire once in each {cadence.words}, such as {cron_of(cadence)!r}: this one {what}, at {here}")
        here = cadence.next(here)
    return value


@lru_cache(maxsize=256)
def _fields(value: str) -> Sequence[list[int | str]]:
    """Read by nobody who changes them. Most models of an installation have the same few schedules."""
    from croniter import CroniterError, croniter  # Airflow brings it

    if len(value.split()) != (1 if value.startswith("@") else len(NAMES)):
        raise ValueError(f"must be {EXAMPLE}")
    try:
        expanded: list[list[int | str]] = croniter.expand(value)[0]
        croniter(value, datetime(2024, 1, 1, tzinfo=UTC)).get_next()
    except (CroniterError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"must be {EXAMPLE}: {error}") from error
    return expanded
