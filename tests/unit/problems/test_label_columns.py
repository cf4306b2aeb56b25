"""Columns as numbers, and errors that name the values that are none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.problems.label_columns import bounds_words, cost_columns, days, numbered, positive_numbers

TABLE = pa.table({"cost": [1, 0], "owed": [1.0, -2.0], "at": pa.array([0, 86_400_000_000], pa.timestamp("us"))})


def test_weights_and_costs() -> None:
    assert cost_columns(TABLE, ("cost",))["cost"].tolist() == [1.0, 0.0]
    with pytest.raises(DataError, match="must be positive") as error:
        positive_numbers(TABLE, "cost")
    assert error.value.seen == [0.0]
    with pytest.raises(DataError, match="must be 0 or more"):
        cost_columns(TABLE, ("owed",))
    with pytest.raises(DataError, match="no column 'price'"):
        positive_numbers(TABLE, "price")


def test_days_and_numbers_of_values() -> None:
    assert days(TABLE, "at").tolist() == [0, 1]
    assert numbered(pa.chunked_array([["b", "a"], ["b"]])).tolist() == [0, 1, 0]


def test_what_is_null_is_said_to_be_null() -> None:
    with pytest.raises(DataError, match="'cost' is null in 1 of 2 rows"):
        positive_numbers(pa.table({"cost": [1.0, None]}), "cost")


def test_bounds_in_words() -> None:
    inf = float("inf")
    found = [bounds_words(*each) for each in ((0, 5), (0, inf), (-inf, 5), (-inf, inf))]
    assert found == ["from 0 to 5", "of at least 0", "of at most 5", ""]
