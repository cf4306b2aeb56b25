"""The online store's disk is full."""

from __future__ import annotations

import errno
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import StorageFullError
from include.core.spec import Feature, View

DAY = datetime.fromisoformat("2013-03-01")
VIEW = View(name="rates", keys=("origin",), features=(Feature(name="rate"),))


def rows(count: int) -> pa.Table:
    keys = [f"K{n:06d}" for n in range(count)]
    return pa.table({"origin": keys, "rate": [1.0] * count, "event_timestamp": pa.array([DAY] * count, pa.timestamp("us"))})


def test_a_full_disk_is_named_with_its_bytes_and_what_was_there_stays(tmp_path: Path) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")
    assert store.write("toy", VIEW, rows(10), DAY) == 10
    connection = store._local.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says "database or disk is full", and rolls back
    with pytest.raises(StorageFullError, match=r"online.db \(at least \d+ bytes needed\)"):
        store.write("toy", VIEW, rows(5000), DAY)
    assert store.count("toy", VIEW) == 10
    connection.execute("PRAGMA max_page_count = 1073741823")
    assert store.write("toy", VIEW, rows(5000), DAY) == 4990


def test_no_room_for_the_stores_own_folder_is_named_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StorageFullError, match=r"online.db \(at least \d+ bytes needed\)"):
        SqliteOnlineStore(tmp_path / "new" / "online.db").write("toy", VIEW, rows(10), DAY)
