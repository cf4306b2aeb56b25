"""Views that are lost, told from entities that are unknown: by what was published, and by the store's epochs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.control import ControlStore
from include.core.request import Ref
from include.core.spec import View
from include.data.published import publish
from include.features.online.presence import empty_views, presence, published_rows
from tests.support.shop import SPEC

HOUR = timedelta(hours=1)
TODAY = datetime.now(UTC).replace(tzinfo=None)
ENDLESS = SPEC.features.views[0].model_copy(update={"ttl": None})


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path}/control.db")
    store.create_tables()
    return store


def published(control: ControlStore, day: date, rows: int) -> None:
    publish(control, SPEC.name, day, Ref("ledger/features/a/g0/result.json", str(day) * 6, "features"), {"customer": rows}, 1)


def write(store: SqliteOnlineStore, view: View) -> None:
    row = {"customer": "ann", "event_timestamp": TODAY, "orders": 1, "mean_price": 2.0, "grade": "a"}
    store.write_back(SPEC.name, view, pa.Table.from_pylist([row]), TODAY)


@pytest.mark.parametrize(
    ("ttl", "day", "rows", "lost"),
    [
        (None, date(2013, 1, 1), 3, True),
        (None, date(2013, 1, 1), 0, False),  # days without rows: nothing is missing
        (timedelta(days=2), TODAY.date(), 3, True),
        (timedelta(days=2), date(2013, 1, 1), 3, False),  # older than any answer would take: stale, not lost
    ],
)
def test_a_view_is_lost_if_rows_are_published_that_would_be_served_and_none_is_online(
    control: ControlStore, tmp_path: Path, ttl: timedelta | None, day: date, rows: int, lost: bool
) -> None:
    store, view = SqliteOnlineStore(tmp_path / "online.db"), ENDLESS.model_copy(update={"ttl": ttl})
    published(control, day, rows)
    assert empty_views(store, SPEC, (view,), published_rows(control, SPEC.name)) == ["customer"] * lost
    write(store, view)
    assert empty_views(store, SPEC, (view,), published_rows(control, SPEC.name)) == []


def test_nothing_published_is_nothing_lost(control: ControlStore, tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    assert empty_views(store, SPEC, (ENDLESS,), published_rows(control, SPEC.name)) == []
    assert presence(store, SPEC, (), published_rows(control, SPEC.name), TODAY) == []


def test_rows_of_another_version_are_not_this_ones(control: ControlStore, tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    published(control, date(2013, 1, 1), 3)
    write(store, ENDLESS)
    other = ENDLESS.model_copy(update={"version": "abc"})
    assert empty_views(store, SPEC, (other, ENDLESS), published_rows(control, SPEC.name)) == ["customer"]
