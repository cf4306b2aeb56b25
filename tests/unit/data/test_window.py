from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from include.core.errors import DataError
from include.data.window import Window, moment

MIDNIGHT = datetime.fromisoformat("2013-04-08")


@pytest.mark.parametrize("text", ["2013-04-08", "2013-04-08T00:00:00Z", "2013-04-08T02:00:00+02:00"])
def test_a_moment_is_utc_without_a_zone_whatever_the_offset(text: str) -> None:
    assert moment(text) == MIDNIGHT
    assert moment(text).tzinfo is None


def test_a_moment_is_made_of_a_datetime_too() -> None:
    there = datetime(2013, 4, 8, 5, tzinfo=timezone(timedelta(hours=5)))
    assert moment(there) == moment(MIDNIGHT.replace(tzinfo=UTC)) == moment(MIDNIGHT) == MIDNIGHT


def test_what_is_no_time_is_refused_with_what_to_write() -> None:
    with pytest.raises(DataError, match=r"(?s)not an ISO time.*'yesterday'.*2013-04-08T06:00:00Z"):
        moment("yesterday")


def test_a_window_is_half_open_so_its_end_at_midnight_touches_no_other_day() -> None:
    week = Window.ending("2013-04-08", 7)
    assert week.name == "2013-04-01/2013-04-08"
    assert week.days() == [f"2013-04-0{day}" for day in range(1, 8)]


def test_a_window_that_ends_within_a_day_says_so_and_touches_that_day() -> None:
    window = Window.ending("2013-04-08T06:00:00", 1)
    assert window.name == "2013-04-07T06:00:00/2013-04-08T06:00:00"
    assert window.days() == ["2013-04-07", "2013-04-08"]
