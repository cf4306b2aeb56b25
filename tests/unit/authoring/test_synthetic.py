"""Rows made from what the expectations declare."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa

from include.authoring.synthetic import ROWS, declared_columns, sources_of
from include.core.catalog import load_spec
from include.row_rules.expectation import Expectation, columns

DAY = date(2024, 1, 3)


def test_columns_have_the_declared_types_sets_bounds_and_keys() -> None:
    spec = load_spec("template", "include.authoring")
    orders, outcomes = sources_of(spec, DAY).values()
    assert orders.num_rows == ROWS
    assert orders.schema.field("ordered_at").type == pa.timestamp("us")
    assert set(outcomes["sent_back"].to_pylist()) == {0, 1}
    assert all(0 <= price <= 10_000 for price in orders["price"].to_pylist())
    assert len(set(orders["order_id"].to_pylist())) == ROWS
    assert orders["order_id"] == outcomes["order_id"]  # the same keys in every source
    assert 1 < len(set(orders["customer_id"].to_pylist())) < ROWS


def test_a_sources_times_come_after_those_of_the_source_before() -> None:
    spec = load_spec("template", "include.authoring")
    orders, outcomes = sources_of(spec, DAY).values()
    assert (
        max(orders["ordered_at"].to_pylist())
        <= datetime.fromisoformat("2024-01-03T12:00")
        <= min(outcomes["known_at"].to_pylist())
    )


def test_a_kind_is_declared_or_suggested_by_the_rules() -> None:
    rules = (
        *columns(a="integer", b="number"),
        Expectation("ExpectColumnValuesToBeInSet", column="c", value_set=[0.5, 1]),
        Expectation("ExpectColumnValuesToBeBetween", column="d", min_value=1),
        Expectation("ExpectColumnValuesToNotBeNull", column="e"),
    )
    assert declared_columns(rules) == {"a": "integer", "b": "number", "c": "number", "d": "number", "e": "text"}


def test_the_same_day_gives_the_same_rows() -> None:
    spec = load_spec("template", "include.authoring")
    assert sources_of(spec, DAY) == sources_of(spec, DAY)
