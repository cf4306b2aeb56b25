"""Which tables a day's SQL may read, and a day that takes more than it may. That the bytes are the steps' is `test_take_in`'s."""

from __future__ import annotations

from typing import NoReturn

import duckdb
import pytest

from include.core.errors import DataError
from include.data.published import published
from include.ranges import computing, take_in
from include.ranges.computing import _Asked, _column
from tests.support.operator_runs import MODEL, Life, day
from tests.support.range_runs import taken_in

SOURCES = ("orders", "returns")
MAIN, TODAY = {("main", "orders")}, {("today", "orders")}


@pytest.mark.parametrize(
    ("view", "tables"),
    [
        ("SELECT 1", set()),
        ("FROM orders", MAIN),
        ("FROM main.Orders", MAIN),
        ("FROM today.orders", TODAY),
        ("FROM memory.TODAY.orders", TODAY),
        ("FROM orders ANTI JOIN today.orders USING (id)", MAIN | TODAY),
        ("FROM today.orders_of_others", set()),
        # Not plain: a table that is not read is made, too.
        ("FROM orders_of_others", MAIN),
        ('FROM "today"."orders"', MAIN | TODAY),
        ("FROM today . orders", MAIN | TODAY),
        ("FROM today/* the day */.orders", MAIN | TODAY),
        ("FROM nottoday.orders", MAIN | TODAY),
        ("FROM orders AS today", MAIN | TODAY),
    ],
)
def test_a_table_that_the_views_may_read_is_made(view: str, tables: set[tuple[str, str]]) -> None:
    asked = _Asked({"a": "SELECT 2", "b": view}, "FROM returns", "FROM returns")
    assert asked.reads(SOURCES) == tables | {("today", "returns")}


@pytest.mark.parametrize(
    ("entities", "tables"),
    [("FROM orders", TODAY), ("FROM main.orders", MAIN | TODAY), ('FROM "main"."ORDERS"', MAIN | TODAY), ("SELECT 1", set())],
)
def test_entities_and_labels_read_the_day_unless_they_say_otherwise(entities: str, tables: set[tuple[str, str]]) -> None:
    assert _Asked({"a": "SELECT 2"}, entities, "SELECT 1").reads(SOURCES) == tables
    assert _Asked({"a": "SELECT 2"}, "SELECT 1", entities).reads(SOURCES) == tables


@pytest.mark.parametrize(
    ("wanted", "seen", "plain"),
    [("KEY", "VARCHAR", True), ("KEY", "BIGINT", False), ("DOUBLE", "DOUBLE", True), ("DOUBLE", "FLOAT", False)],
)
def test_a_column_is_cast_where_that_changes_it(wanted: str, seen: str, plain: bool) -> None:
    assert (_column("x", wanted, seen) == '"x"') == plain


def test_a_day_that_takes_more_than_a_dataset_may_is_for_the_step_and_so_are_the_next(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []

    def stopped(connection: duckdb.DuckDBPyConnection, name: str) -> NoReturn:
        del connection
        held.append(name)
        raise DataError("It ran too long.") from duckdb.InterruptException("stopped")

    monkeypatch.setattr(computing, "bounded", stopped)
    monkeypatch.setattr(take_in, "bring_online", lambda *_: [])
    for number in (1, 2):
        life.land(day(number))
    assert taken_in(life.services, 1, 2).made == 2
    assert len(held) == 1
    assert list(published(life.services.control, MODEL, day(1), day(31))) == [day(1), day(2)]
