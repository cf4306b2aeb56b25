from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from include.core.errors import DataError
from include.core.time import (
    days_between,
    end_of_day,
    instant,
    now,
    parse_time,
    precise,
    start_of_day,
    timestamp,
    utc,
    utc_now,
    zoned,
)

NOON = datetime.fromisoformat("2013-04-01T12:00:00")


@pytest.mark.parametrize(
    "text", ["2013-04-01T12:00:00Z", "2013-04-01T12:00:00", "2013-04-01T14:00:00+02:00", "2013-04-01 07:00:00-05:00"]
)
def test_one_moment_has_one_form(text: str) -> None:
    assert parse_time(text) == NOON
    assert parse_time(text).tzinfo is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_leaves_the_calendar_is_refused(text: str) -> None:
    for read in (parse_time, lambda text: utc(datetime.fromisoformat(text))):
        with pytest.raises(DataError, match=r"(?s)leaves the calendar.*Next: send ISO 8601"):
            read(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00-01:00", "9999-12-31T23:59:59+05:00", "0001-01-01T00:00:00Z"])
def test_the_ends_of_the_calendar_are_times(text: str) -> None:
    assert parse_time(text).year in (1, 9999)


@pytest.mark.parametrize("text", ["", "yesterday", "2013-02-30", "10000-01-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        parse_time(text)


@pytest.mark.parametrize("text", ["2013-04-01T12:00:00+00:00", "2013-04-01T12:00:00", "2013-04-01T14:00:00+02:00"])
def test_an_instant_has_the_zone_utc(text: str) -> None:
    assert instant(text) == NOON.replace(tzinfo=UTC)
    assert instant(text).tzinfo is UTC


def test_a_time_with_a_zone_keeps_its_moment() -> None:
    there = datetime(2013, 4, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert zoned(there) == zoned(utc(there)) == there


def test_the_present_moment_has_both_forms() -> None:
    assert now().tzinfo is UTC
    assert utc_now().tzinfo is None
    assert timedelta(0) <= utc(now()) - utc_now() + timedelta(seconds=5) < timedelta(seconds=10)


def test_stored_times_are_text_that_sorts_as_the_times_do() -> None:
    at = datetime(2013, 4, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert timestamp(at) == "2013-04-01T12:00:00.123+00:00"
    assert precise(at) == "2013-04-01T12:00:00.123456+00:00"
    assert instant(precise(at)) == at
    assert timestamp(at) < timestamp(at + timedelta(milliseconds=1)) < timestamp()
    assert len(timestamp(at.replace(microsecond=0))) == len(timestamp(at))


def test_days_are_half_open_and_ranges_of_days_are_not() -> None:
    first, last = date(2013, 2, 27), date(2013, 3, 1)
    assert days_between(first, last) == [first, date(2013, 2, 28), last]
    assert days_between(last, last) == [last]
    assert days_between(last, first) == []
    assert start_of_day(last) == end_of_day(date(2013, 2, 28)) == datetime.fromisoformat("2013-03-01T00:00:00")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_an_instant_without_a_zone_is_utc_on_every_host(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", zone)
        time.tzset()
        found = [instant(text) for text in ("2013-01-02T03:00:00", "2013-01-02T03:00:00Z", "2013-01-02T16:00:00+13:00")]
    time.tzset()
    assert found == [datetime(2013, 1, 2, 3, tzinfo=UTC)] * 3
