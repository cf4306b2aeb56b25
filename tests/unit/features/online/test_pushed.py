"""Rows pushed to a view are kept, and published with their day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import DataError, IntegrityError
from include.core.partition import Cadence
from include.core.request import Request
from include.core.task import perform
from include.features.online.pushed import LoggedWriter, append, fetch, merged, pushed
from include.online_store.row_codec import CREATED
from tests.support.shop import SPEC, Shop

DAY = date(2013, 1, 3)
NOON = datetime.fromisoformat("2013-01-03T12:00:00")
VIEW = SPEC.features.views[0].model_copy(update={"pushed": True})


def rows(*given: tuple[str, datetime, int]) -> pa.Table:
    each = [{"customer": c, "event_timestamp": at, "orders": n, "mean_price": 2.5, "grade": "p"} for c, at, n in given]
    return pa.Table.from_pylist(each)


def published(shop: Shop) -> list[dict[str, object]]:
    """The view's rows of a day whose request names what was pushed."""
    known = shop.features(DAY)
    request = shop.ledger.request(known.key)
    params = {**request.params, "pushed": {VIEW.name: pushed(shop.ledger.storage, SPEC.name, VIEW, DAY)}}
    again = Request(request.step, request.function, request.model, params)
    return shop.read(perform(again, shop.ledger.open_attempt(again.key, 0), shop.ledger, shop.settings), VIEW.name).to_pylist()


def test_a_push_goes_online_and_into_its_days_partition(week: Shop, tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    before = week.read(week.features(DAY), VIEW.name).to_pylist()
    late = NOON + timedelta(minutes=17)
    writer = LoggedWriter(store, week.ledger.storage)
    assert writer.write(SPEC.name, VIEW, rows(("ann", late, 77), ("new", late, 1)), late) == 2
    assert store.read(SPEC.name, VIEW, [("ann",)])[0]["orders"] == 77
    after = published(week)
    assert [row for row in after if row not in before] == rows(("ann", late, 77), ("new", late, 1)).to_pylist()
    assert len(after) == len(before) + 2


def test_where_the_sql_gives_the_same_moment_it_stands(week: Shop) -> None:
    own = week.read(week.features(DAY), VIEW.name).to_pylist()
    append(week.ledger.storage, SPEC.name, VIEW, rows((own[0]["customer"], own[0]["event_timestamp"], 99)), NOON)
    assert published(week) == own


def test_of_several_pushes_of_one_moment_the_last_is_published(week: Shop) -> None:
    at = NOON + timedelta(minutes=1)
    for orders, created in ((2, NOON + timedelta(hours=2)), (1, NOON + timedelta(hours=1))):
        append(week.ledger.storage, SPEC.name, VIEW, rows(("ann", at, orders)), created)
    assert [row["orders"] for row in published(week) if row["event_timestamp"] == at] == [2]


def test_sending_the_same_rows_again_keeps_them_once_each_under_its_day(week: Shop) -> None:
    storage = week.ledger.storage
    both = rows(("ann", NOON, 1), ("bob", NOON + timedelta(days=1), 2))
    first, again = (append(storage, SPEC.name, VIEW, both, NOON) for _ in range(2))
    assert first == again
    assert [len(pushed(storage, SPEC.name, VIEW, DAY + timedelta(days=n))) for n in (0, 1, 2)] == [1, 1, 0]


def test_what_the_online_store_refuses_is_not_kept(week: Shop, tmp_path: Path) -> None:
    store = LoggedWriter(SqliteOnlineStore(tmp_path / "online.db"), week.ledger.storage)
    with pytest.raises(DataError, match="no column 'orders'"):
        store.write(SPEC.name, VIEW, rows(("ann", NOON, 1)).drop_columns("orders"), NOON)
    assert pushed(week.ledger.storage, SPEC.name, VIEW, DAY) == []


def test_a_view_that_does_not_ask_keeps_nothing(week: Shop, tmp_path: Path) -> None:
    store = LoggedWriter(SqliteOnlineStore(tmp_path / "online.db"), week.ledger.storage)
    store.write(SPEC.name, SPEC.features.views[0], rows(("ann", NOON, 1)), NOON)
    assert pushed(week.ledger.storage, SPEC.name, VIEW, DAY) == []


def test_pushed_rows_that_were_changed_on_disk_are_refused(week: Shop, tmp_path: Path) -> None:
    (path,) = append(week.ledger.storage, SPEC.name, VIEW, rows(("ann", NOON, 1)), NOON)
    week.ledger.storage.write(path, b"other")
    with pytest.raises(IntegrityError, match="does not match its digest"):
        fetch(week.ledger.storage, SPEC.name, DAY, {VIEW.name: [Path(path).stem]}, tmp_path)


@pytest.mark.parametrize("key", ["7", "7::BIGINT", "7.0::DOUBLE", "'7'"])
def test_a_pushed_key_is_the_key_of_the_sql_whatever_its_type(key: str, tmp_path: Path) -> None:
    """The SQL gives customer 7 as a number or as text; pushed rows hold text, "abc" among them."""
    pq.write_table(rows(("7", NOON, 1), ("7", NOON + timedelta(hours=1), 2), ("abc", NOON, 3)), tmp_path / "pushed.parquet")
    kept = pq.read_table(tmp_path / "pushed.parquet")
    pq.write_table(kept.append_column(CREATED, pa.array([NOON] * 3, pa.timestamp("us"))), tmp_path / "pushed.parquet")
    values = "9::BIGINT AS orders, 1.0::DOUBLE AS mean_price, 'p' AS grade"
    sql = f"SELECT {key} AS customer, TIMESTAMP '{NOON}' AS event_timestamp, {values}"
    found = duckdb.sql(
        f"SELECT customer, orders FROM ({merged(VIEW, sql, [str(tmp_path / 'pushed.parquet')])}) ORDER BY ALL"
    ).fetchall()
    assert found == [("7", 2), ("7", 9), ("abc", 3)]


def test_rows_of_a_model_by_the_hour_are_kept_under_their_hours(week: Shop) -> None:
    storage, hourly = week.ledger.storage, Cadence(timedelta(hours=1))
    both = rows(("ann", NOON, 1), ("bob", NOON + timedelta(minutes=59), 2), ("cid", NOON + timedelta(minutes=60), 3))
    append(storage, SPEC.name, VIEW, both, NOON, hourly)
    here = hourly.at(NOON)
    assert [len(pushed(storage, SPEC.name, VIEW, hour)) for hour in (hourly.previous(here), here, hourly.next(here))] == [0, 1, 1]
    kept = [fetch(storage, SPEC.name, hour, {VIEW.name: pushed(storage, SPEC.name, VIEW, hour)}, week.settings.home / str(hour))
            for hour in (here, hourly.next(here))]  # fmt: skip
    assert [pq.read_metadata(files[VIEW.name][0]).num_rows for files in kept] == [2, 1]
