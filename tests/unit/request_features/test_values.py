"""What is told of values by name; that they are DuckDB's, the compiled function's test says of every operator."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from include.request_features import logic
from include.request_features import values as v

NAN, INF = math.nan, math.inf


def test_whole_numbers_have_64_bits() -> None:
    assert v.whole(2**63 - 1) == 2**63 - 1
    assert v.whole(2**63) is None
    assert v.divide_whole(-7, 2) == -3
    assert v.divide_whole(-(2**63), -1) is None
    assert v.remainder_whole(-7, 2) == -1
    assert v.remainder_whole(1, 0) is None


def test_floats_have_every_result() -> None:
    assert v.divide(-1.0, 0.0) == -INF
    assert math.isnan(v.divide(0.0, 0.0))
    assert v.power(0.0, -1.0) == INF
    assert v.power(-10.0, 309.0) == -INF
    assert math.isnan(v.power(-8.0, 0.5))
    assert v.exponential(1000.0) == INF
    assert math.isnan(v.remainder(1.0, 0.0))


def test_halves_are_rounded_away_from_zero_and_casts_to_the_even_neighbour() -> None:
    assert [v.round_half_away(each) for each in (2.5, -2.5, 0.49999999999999994)] == [3.0, -3.0, 0.0]
    assert v.round_to(2.345, 2) == 2.35
    assert [v.to_whole(each) for each in (2.5, 3.5, NAN, 1e19)] == [2, 4, None, None]


def test_nan_is_the_greatest_and_equal_to_itself() -> None:
    assert v.equal(NAN, NAN)
    assert v.greater(NAN, INF)
    assert v.at_least(NAN, NAN)
    assert not v.greater(1.0, NAN)
    assert math.isnan(logic.greatest(1.0, NAN, None))
    assert logic.least(None, NAN, 1.0) == 1.0


def test_what_is_missing_decides_nothing() -> None:
    assert logic.is_in(1, 2, None) is None
    assert logic.is_in(1, 1, None) is True
    assert logic.is_in(1, 2, 3) is False
    assert logic.coalesce(None, 0.0, 1.0) == 0.0
    assert logic.nullif(1, None) == 1
    assert logic.not_distinct(None, None)
    assert logic.distinct(None, 1)


def test_seconds_since_1970() -> None:
    assert v.epoch(datetime.fromisoformat("1969-12-31T23:59:59.5")) == pytest.approx(-0.5)
