"""Columns as numbers, and errors that name the values that are none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.problems.label_columns import cost_columns, days, numbered, positive_numbers

TABLE = pa.table({"cost": [1, 0], "owed": [1.0, -2.0], "at": pa.array([0, 86_400_000_000], pa.timestamp("us"))})


def test_weights_and_costs() -> None:
    assert cost_columns(TABLE, ("cost",))["cost"].tolist() == [1.0, 0.0]
    with pytest.raises(DataError, match="must be positive") as error:
        positive_numbers(TABLE, "cost")
    assert error.value.seen == [0.0]
    with pytest.raises(DataError, match="must not be negative"):
        cost_columns(TABLE, ("owed",))
    with pytest.raises(DataError, match="no column 'price'"):
        positive_numbers(TABLE, "price")


def test_days_and_numbers_of_values() -> None:
    assert days(TABLE, "at").tolist() == [0, 1]
    assert numbered(pa.chunked_array([["b", "a"], ["b"]])).tolist() == [0, 1, 0]
