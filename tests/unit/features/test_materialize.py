"""Materializing reads back: what is not online as it should be raises."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.backends.online_sqlite import SqliteOnlineStore
from include.core.errors import DataError
from include.features.materialize import SAMPLE, materialize_view
from tests.unit.features.shop import SPEC

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
    assert (report.entities, report.written, report.newer, report.compared, report.online) == (5, 5, 0, 5, 5)
    again = materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert (again.written, again.compared, again.online) == (0, 5, 5)


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


def test_a_late_older_result_is_told_that_its_values_are_not_those_online(store: SqliteOnlineStore) -> None:
    materialize_view(store, "shop", VIEW, rows(2, orders=2), DAY + HOUR)
    with pytest.raises(DataError, match="other values online than offline"):
        materialize_view(store, "shop", VIEW, rows(2, orders=1), DAY)


def test_rows_that_a_store_lost_are_counted_and_named(store: SqliteOnlineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SqliteOnlineStore.put
    monkeypatch.setattr(SqliteOnlineStore, "put", lambda self, packed: real(self, packed[2:]) + 2)
    with pytest.raises(DataError, match="shop/customer did not read back: 2 of 5 entities are missing") as caught:
        materialize_view(store, "shop", VIEW, rows(5), DAY)
    assert caught.value.seen == [("c0",), ("c1",)]
