"""Materializing reads back: what is not online as it should be raises."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import DataError
from include.features.offline.newest import newest_rows
from include.features.online.materialize import SAMPLE, materialize_view
from include.online_store.layout import Layout
from include.online_store.row_codec import Packed
from tests.support.shop import SPEC

VIEW = SPEC.features.views[0]
DAY = datetime.fromisoformat("2013-01-03")
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> SqliteOnlineStore:
    return SqliteOnlineStore(tmp_path / "online.db")


def rows(count: int, at: datetime = DAY, **fixed: Any) -> pa.Table:
    given = {"orders": 1, "mean_price": float("nan"), "grade": None, **fixed}
    return pa.Table.from_pylist([{"customer": f"c{n}", "event_timestamp": at, **given} for n in range(count)])


def test_reports_what_was_written_and_compared(store: SqliteOnlineStore) -> None:
    report = materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert (report.entities, report.written, report.newer, report.compared) == (5, 5, 0, 5)
    again = materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert (again.written, again.compared, store.count("shop", VIEW)) == (0, 5, 5)


def test_compares_a_sample_of_many(store: SqliteOnlineStore) -> None:
    report = materialize_view(store, "shop", VIEW, rows(3 * SAMPLE), DAY)
    assert SAMPLE <= report.compared < 3 * SAMPLE


def test_an_older_day_after_a_newer_one_changes_nothing_and_is_no_error(store: SqliteOnlineStore) -> None:
    materialize_view(store, "shop", VIEW, rows(5, DAY + 24 * HOUR, orders=9), DAY)
    report = materialize_view(store, "shop", VIEW, rows(6), DAY + 48 * HOUR)
    assert (report.written, report.newer, report.compared) == (1, 5, 1)
    assert [values and values["orders"] for values in store.read("shop", VIEW, [("c0",), ("c5",)])] == [9, 1]


def test_a_corrected_result_replaces_the_values_of_the_same_event(store: SqliteOnlineStore) -> None:
    materialize_view(store, "shop", VIEW, rows(2, orders=1), DAY)
    assert materialize_view(store, "shop", VIEW, rows(2, orders=2), DAY + HOUR).written == 2


def test_a_late_older_result_leaves_the_correction_and_is_no_error(store: SqliteOnlineStore) -> None:
    materialize_view(store, "shop", VIEW, rows(2, orders=2), DAY + HOUR)
    report = materialize_view(store, "shop", VIEW, rows(2, orders=1), DAY)
    assert (report.written, report.newer, report.compared) == (0, 2, 0)
    assert [values and values["orders"] for values in store.read("shop", VIEW, [("c0",), ("c1",)])] == [2, 2]


def losing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """A store that loses the first two rows of each of the first `times` writes."""
    real, left = SqliteOnlineStore.put, [times]

    def put(self: SqliteOnlineStore, packed: Packed, ttl: int | None) -> int:
        lost = 2 if len(packed.keys) > 1 and left[0] > 0 else 0
        left[0] -= lost > 0
        return real(self, Packed(*(column[lost:] for column in packed)), ttl) + lost

    monkeypatch.setattr(SqliteOnlineStore, "put", put)


def test_rows_that_a_store_lost_once_are_written_again(store: SqliteOnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, 1)
    report = materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert (report.entities, report.compared, store.count("shop", VIEW)) == (5, 5, 5)


def test_rows_that_a_store_keeps_losing_are_counted_and_named(store: SqliteOnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, 9)
    with pytest.raises(DataError, match="shop/customer did not read back: 2 of 5 entities are missing") as caught:
        materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert all("c0" in key or "c1" in key for key in caught.value.seen)


def test_values_that_are_read_otherwise_than_they_were_written_fail(
    store: SqliteOnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Layout.unpack
    monkeypatch.setattr(Layout, "unpack", lambda self, payload: {**real(self, payload), "orders": 7})
    with pytest.raises(DataError, match="other values online than offline") as caught:
        materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert caught.value.seen["online"]["orders"] == 7


def test_rows_without_a_key_are_left_out_and_counted(store: SqliteOnlineStore) -> None:
    table = pa.concat_tables([rows(3), rows(1).set_column(0, "customer", pa.array([None], pa.string()))])
    report = materialize_view(store, "shop", VIEW, table, DAY)
    assert (report.entities, report.without_key, store.count("shop", VIEW)) == (3, 1, 3)


def test_of_two_arrivals_of_one_event_the_later_is_the_newest(tmp_path: Path) -> None:
    view = VIEW.model_copy(update={"created": "arrived"})
    both = pa.concat_tables([rows(1, orders=1, arrived=DAY + HOUR), rows(1, orders=2, arrived=DAY + 2 * HOUR)])
    pq.write_table(both.take([1, 0]), tmp_path / "a.parquet")
    with duckdb.connect() as connection:
        found = newest_rows(connection, view, tmp_path / "a.parquet")
    assert found["orders"].to_pylist() == [2]
