"""What is known of a customer and a terminal at a moment: whole minutes that are over, and only frauds that were reported."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from examples.models.fraud.features import entities, labels, views
from examples.models.fraud.spec import SPEC

DAY = date(2024, 3, 9)
PAYMENTS = [  # (id, customer, terminal, when, amount)
    ("p1", "ann", "kiosk", "2024-03-01 12:00:00", 10.0),
    ("p2", "ann", "kiosk", "2024-03-08 23:59:30", 20.0),
    ("p3", "ann", "baker", "2024-03-09 10:00:10", 30.0),
    ("p4", "ann", "kiosk", "2024-03-09 10:00:50", 50.0),
    ("p5", "bob", "kiosk", "2024-03-09 10:30:00", 70.0),
    ("p6", "bob", "kiosk", "2024-03-09 23:59:59", 90.0),
]
REPORTS = [("p0", "ann", "baker", 1, "2024-03-08 12:00:00"), ("p1", "ann", "kiosk", 1, "2024-03-09 12:00:00")]


@pytest.fixture
def connection() -> Any:
    with duckdb.connect() as opened:
        opened.execute(
            "CREATE TABLE payments (transaction_id TEXT, customer_id TEXT, terminal_id TEXT, paid_at TIMESTAMP, amount DOUBLE)"
        )
        opened.execute(
            "CREATE TABLE reports (transaction_id TEXT, customer_id TEXT, terminal_id TEXT, fraud INT, reported_at TIMESTAMP)"
        )
        opened.executemany("INSERT INTO payments VALUES (?, ?, ?, ?, ?)", PAYMENTS)
        opened.executemany("INSERT INTO reports VALUES (?, ?, ?, ?, ?)", REPORTS)
        yield opened


def rows(connection: Any, view: str, *columns: str, day: date = DAY) -> list[tuple[Any, ...]]:
    key = "customer_id" if view.startswith("customer") else "terminal_id"
    names = ", ".join((key, "event_timestamp", *columns))
    found: list[tuple[Any, ...]] = connection.sql(f"SELECT {names} FROM ({views(day)[view]}) ORDER BY ALL").fetchall()
    return found


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2024-03-09 {clock}")


def test_the_sql_gives_the_columns_that_the_spec_names(connection: Any) -> None:
    for view in SPEC.features.views:
        seen = connection.sql(views(DAY)[view.name]).columns
        assert set(seen) == {*view.keys, "event_timestamp", *(feature.name for feature in view.features)}
    asked = connection.sql(entities()).columns
    assert set(asked) == {"request_id", "event_timestamp", *SPEC.features.keys, *(each.name for each in SPEC.features.request)}
    assert connection.sql(labels()).columns == ["request_id", "fraud", "label_timestamp"]


def test_a_minute_counts_from_its_end_on_and_the_last_of_a_day_on_the_next(connection: Any) -> None:
    assert rows(connection, "customer", "customer_payments_14d", "customer_mean_14d") == [
        ("ann", at("00:00:00"), 2.0, 15.0),
        ("ann", at("10:01:00"), 4.0, 27.5),
        ("bob", at("10:31:00"), 1.0, 70.0),
    ]
    (last,) = rows(connection, "customer", "customer_payments_1d", day=DAY + timedelta(days=1))
    assert last == ("bob", at("00:00:00") + timedelta(days=1), 2.0)


def test_no_payment_is_seen_by_its_own_question(connection: Any) -> None:
    asked = connection.sql(f"SELECT request_id, event_timestamp FROM ({entities()})").fetchall()
    known = {(key, moment) for key, moment, *_ in rows(connection, "customer")}
    for request, moment in asked:
        customer = next(each[1] for each in PAYMENTS if each[0] == request)
        minute_over = moment.replace(second=0) + timedelta(minutes=1)
        assert moment < minute_over
        assert (customer, moment) not in known or moment.second == 0


def test_windows_end_where_they_say(connection: Any) -> None:
    found = rows(
        connection, "customer", "customer_payments_1d", "customer_payments_7d", "customer_paid_1d", "customer_largest_14d"
    )
    assert found[0] == ("ann", at("00:00:00"), 1.0, 1.0, 20.0, 20.0)  # p1 is 7 days and half a day before
    assert found[1] == ("ann", at("10:01:00"), 3.0, 3.0, 100.0, 50.0)


def test_a_fraud_is_known_only_once_it_was_reported(connection: Any) -> None:
    assert rows(connection, "terminal_risk", "terminal_frauds_1d", "terminal_frauds_14d") == [
        ("kiosk", at("12:01:00"), 1.0, 1.0),
    ]
    assert rows(connection, "customer_risk", "customer_frauds_1d", "customer_frauds_7d", "customer_risk_14d") == [
        ("ann", at("12:01:00"), 2.0, 2.0, pytest.approx(2 / 7)),
    ]


def test_a_mean_of_one_payment_deviates_by_nothing(connection: Any) -> None:
    assert rows(connection, "customer", "customer_deviation_14d")[-1] == ("bob", at("10:31:00"), 0.0)
