"""Which days a range has, before anything is done with them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.core.errors import DataError
from include.ranges.span import CHUNK, Span, check
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, day


def test_both_ends_are_in_it() -> None:
    assert Span.of("2013-01-01", "2013-01-03").days == [day(1), day(2), day(3)]
    assert Span.of("2013-01-01", "2013-01-01").days == [day(1)]


@pytest.mark.parametrize("first", ["", None, "2013-02-30", "yesterday"])
def test_what_is_no_day_is_refused(first: str | None) -> None:
    with pytest.raises(DataError) as refused:
        Span.of(first, "2013-01-03")
    assert_says(refused.value, "'from' is no day", "nothing was computed", "give both")


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        Span.of("2013-02-01", "2013-01-01")
    assert_says(refused.value, "ends before it begins", "name the earlier day as `from`")


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100])
def test_chunks_are_the_range_and_their_borders_those_of_any_range(length: int) -> None:
    span = Span(day(5), day(5) + timedelta(days=length - 1))
    chunks = list(span.chunks())
    assert [each for _, chunk in chunks for each in chunk.days] == span.days
    assert all(chunk.first.start.toordinal() % CHUNK == 0 for _, chunk in chunks[1:])
    assert [number for number, _ in chunks] == sorted({day.start.toordinal() // CHUNK for day in span.days})


def test_days_of_an_interval_outside_the_source_are_left_out(life: Life) -> None:
    spec = life.services.spec(MODEL)
    assert Span(date(2012, 12, 1), day(2)).clipped(spec) == Span(day(1), day(2))
    assert Span(day(30), date(2013, 3, 1)).clipped(spec) == Span(day(30), day(31))
    assert Span(date(2012, 1, 1), date(2012, 1, 31)).clipped(spec) is None


def test_days_after_the_last_of_the_source_are_refused(life: Life) -> None:
    life.land(day(1))
    with pytest.raises(DataError) as refused:
        check(life.services.spec(MODEL), Span(day(1), date(2013, 2, 1)), life.services.storage)
    assert_says(refused.value, "data.last in the spec is 2013-01-31", "end the range with 2013-01-31")


def test_a_source_of_which_nothing_has_landed_is_named(life: Life) -> None:
    life.land(day(1))
    life.services.storage.delete(f"raw/{MODEL}/returns")
    with pytest.raises(DataError) as refused:
        check(life.services.spec(MODEL), Span(day(1), day(2)), life.services.storage)
    assert_says(refused.value, "No partition of returns has landed for shop")
