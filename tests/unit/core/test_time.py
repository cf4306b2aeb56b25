from __future__ import annotations

from datetime import datetime

import pytest

from include.core.errors import DataError
from include.core.time import parse_time, utc

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
