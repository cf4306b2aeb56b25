"""A day's features: the right rows, the same bytes, and a clear word about bad input."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest

from include.core.errors import DataError, IntegrityError
from include.core.spec import Feature, View
from tests.support.shop import HERE, SPEC, Shop, orders_of

DAY = date(2013, 1, 3)
CUSTOMER = SPEC.features.views[0]


def with_view(view: View, **changes: object) -> object:
    return SPEC.features.model_copy(update={"views": (view.model_copy(update=changes),)})


def test_a_day_gives_its_views_entities_and_labels(week: Shop) -> None:
    result = week.features(DAY)
    assert result.value["rows"] == {name: week.read(result, name).num_rows for name in ("customer", "entities", "labels")}
    assert result.value["rows"]["entities"] == 40, "the free order is set aside"
    customer = week.read(result, "customer")
    assert {time.date() for time in customer["event_timestamp"].to_pylist()} == {DAY}
    types = dict(zip(customer.column_names, map(str, customer.schema.types), strict=True))
    assert types == {
        "customer": "string", "event_timestamp": "timestamp[us]", "orders": "int64", "mean_price": "double", "grade": "string",
    }  # fmt: skip
    assert str(week.read(result, "labels").schema.field("came_back").type) == "int8"


def test_views_reach_back_and_entities_do_not(week: Shop) -> None:
    result = week.features(DAY)
    first = min(week.read(result, "customer")["event_timestamp"].to_pylist())
    assert first.hour == 0, "an order of the hour before midnight, from the day before"
    assert {text[:10] for text in week.read(result, "entities")["request_id"].to_pylist()} == {DAY.isoformat()}


def test_the_same_partitions_give_the_same_bytes(week: Shop) -> None:
    result = week.features(DAY)
    week.ledger.storage.delete(f"ledger/{result.key}")
    again = week.features(DAY)
    assert again.digest == result.digest
    assert again.committed_at >= result.committed_at


def test_a_day_that_is_missing_is_named(week: Shop) -> None:
    week.ledger.storage.delete(week.raw.path("returns", DAY))
    with pytest.raises(DataError, match="returns partition of 2013-01-03 is missing"):
        week.features(DAY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns("price"), "has no column 'price': expected DOUBLE as on 2013-01-01"),
        (lambda table: table.rename_columns(["id", "customer", "ordered_at", "cost", "grade"]), "has no column 'price'"),
        (
            lambda table: table.set_column(3, "price", table["price"].cast(pa.string())),
            "changed the type of column 'price': expected DOUBLE",
        ),
    ],
)
def test_a_changed_schema_is_named_with_column_and_types(week: Shop, change: object, said: str) -> None:
    week.land("orders", DAY, change(orders_of(DAY)))  # type: ignore[operator]
    with pytest.raises(DataError, match=f"(?s){said}"):
        week.features(DAY)


def test_a_new_column_does_no_harm(week: Shop) -> None:
    table = orders_of(DAY)
    week.land("orders", DAY, table.append_column("colour", pa.array(["red"] * table.num_rows)))
    assert week.features(DAY).value["rows"]["entities"] == 40


def test_the_first_partition_ever_is_held_against_the_sql(empty_shop: Shop) -> None:
    empty_shop.land_days(1)
    empty_shop.land("orders", date(2013, 1, 1), orders_of(date(2013, 1, 1)).drop_columns("customer"))
    with pytest.raises(DataError, match="SQL of 'customer' cannot run on the raw partitions of 2013-01-01"):
        empty_shop.features(date(2013, 1, 1))


def test_a_truncated_neighbour_stops_the_day(week: Shop) -> None:
    path = week.land("orders", DAY - timedelta(days=1), orders_of(DAY))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="orders partition of 2013-01-02 is not whole Parquet"):
        week.features(DAY)


def test_a_partition_that_changes_under_the_run_is_refused(week: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.data.raw.digest_bytes", lambda data: "0" * 64)
    with pytest.raises(IntegrityError, match="changed after this run"):
        week.features(DAY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": (*CUSTOMER.features, Feature(name="age"))}, "column 'age' is missing"),
        ({"features": CUSTOMER.features[:2]}, "column 'grade' is not in the spec"),
        ({"features": (*CUSTOMER.features[:2], Feature(name="grade"))}, "column 'grade' is VARCHAR, expected DOUBLE"),
        ({"name": "buyer"}, "gives no SQL for view"),
    ],
)
def test_sql_that_does_not_give_what_the_spec_says_is_refused(week: Shop, changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=f"(?s){said}"):
        week.features(DAY, with_view(CUSTOMER, **changes))  # type: ignore[arg-type]


BAD_VIEWS = {
    "twice": ("FROM (SELECT 'ann' AS customer), range(2)", "must be unique"),
    "nobody": ("FROM (SELECT NULL::VARCHAR AS customer)", "'customer' must not be null"),
    "tomorrow": ("FROM (SELECT 'ann' AS customer, INTERVAL 1 DAY AS later)", "'event_timestamp' must lie within the day"),
}


@pytest.mark.parametrize("name", BAD_VIEWS)
def test_rows_that_break_the_rules_are_refused_with_an_example(week: Shop, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows, said = BAD_VIEWS[name]
    time = f"TIMESTAMP '{DAY} 05:00:00'" + (" + later" if name == "tomorrow" else "")
    sql = f"SELECT customer, {time} AS event_timestamp, 1 AS orders, 1.0 AS mean_price, 'a' AS grade {rows}"
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": sql})
    with pytest.raises(DataError, match=f"(?s){said}") as caught:
        week.features(DAY)
    assert "2013-01-0" in str(caught.value.seen)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id AS request_id FROM returns", "must give request_id, the label"),
        ("SELECT lost FROM returns", "'labels' cannot run"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(week: Shop, monkeypatch: pytest.MonkeyPatch, sql: str, said: str) -> None:
    monkeypatch.setattr(f"{HERE}.labels", lambda: sql)
    with pytest.raises(DataError, match=f"(?s){said}"):
        week.features(DAY)


LATE = CUSTOMER.model_copy(update={"created": "seen_at"})
RULES = {
    "an arrival before the event": (
        {"seen_at": "TIMESTAMP '2013-01-03 04:00:00'"},
        "'seen_at' must not be before 'event_timestamp'",
    ),
    "an arrival on another day": ({"seen_at": "TIMESTAMP '2013-01-04 04:00:00'"}, "'seen_at' must lie within the day"),
    "no arrival": ({"seen_at": "NULL::TIMESTAMP"}, "'seen_at' must not be null"),
    "an infinity": ({"mean_price": "'-inf'::DOUBLE"}, "'mean_price' must not be infinite"),
    "an overflow": ({"orders": "9223372036854775807::HUGEINT + 1"}, "SQL of 'customer' cannot run"),
}


@pytest.mark.parametrize("name", RULES)
def test_values_that_no_store_can_hold_or_no_clock_has_shown_are_refused(
    week: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    changes, said = RULES[name]
    columns = {
        "customer": "'ann'", "event_timestamp": f"TIMESTAMP '{DAY} 05:00:00'", "orders": "1", "mean_price": "1.0",
        "grade": "'a'", "seen_at": f"TIMESTAMP '{DAY} 05:00:00'", **changes,
    }  # fmt: skip
    sql = "SELECT " + ", ".join(f"{value} AS {column}" for column, value in columns.items())
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": sql})
    with pytest.raises(DataError, match=f"(?s){said}"):
        week.features(DAY, with_view(LATE))  # type: ignore[arg-type]


def test_a_late_row_is_of_the_day_it_arrived_on(week: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    event, seen = datetime.fromisoformat("2013-01-01T05:00:00"), datetime.fromisoformat("2013-01-03T07:00:00")
    values = "1 AS orders, 1.0 AS mean_price, 'a' AS grade"
    sql = f"SELECT 'ann' AS customer, TIMESTAMP '{event}' AS event_timestamp, {values}, TIMESTAMP '{seen}' AS seen_at"
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": sql})
    table = week.read(week.features(DAY, with_view(LATE)), "customer")  # type: ignore[arg-type]
    assert (table["event_timestamp"][0].as_py(), table["seen_at"][0].as_py()) == (event, seen)
