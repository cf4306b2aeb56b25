"""What was deleted from a SQLite file is in none of its bytes any more, nor in its log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from include.core.sqlite_file import made_anew

VALUE = b"Quaxel-of-the-deleted-row"


def opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0.1)
    for pragma in ("journal_mode = WAL", "secure_delete = OFF"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def holds(path: Path) -> list[str]:
    return [each.name for each in path.parent.glob(f"{path.name}*") if VALUE in each.read_bytes()]


def test_a_deleted_row_is_in_no_byte_and_a_reader_in_the_way_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    connection = opened(path)
    connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, value TEXT)")
    connection.executemany("INSERT INTO kept (value) VALUES (?)", [(VALUE.decode() * 20,), ("another's",)])
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("DELETE FROM kept WHERE value LIKE 'Quaxel%'")
    assert holds(path), "or there is nothing to be shown"
    reader = opened(path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM kept").fetchone() == (1,)
    assert not made_anew(connection)
    reader.execute("COMMIT")
    assert made_anew(connection)
    assert holds(path) == []
    assert connection.execute("SELECT value FROM kept").fetchall() == [("another's",)]
