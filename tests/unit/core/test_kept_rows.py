"""A small table that is read again and again: anew only where it may have changed, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.kept_rows import KeptRows
from include.core.versioned import Format

NOTE = DocumentKind("note", Format("a note"))
QUERY = "SELECT key FROM slipstream_documents ORDER BY key"


def keys(rows: KeptRows) -> list[str] | None:
    found = rows.read()
    return None if found is None else [row[0] for row in found]


def test_rows_are_read_when_they_change(control: ControlStore) -> None:
    rows = KeptRows(control, QUERY)
    assert keys(rows) == []
    NOTE.save(control, "a", "toy", {})
    assert keys(rows) == ["a"]
    NOTE.save(control, "b", "toy", {})
    assert keys(rows) == ["a", "b"]
    assert keys(rows) in (None, ["a", "b"])  # SQLite says that nothing has changed


def test_another_file_under_the_name_is_another_database(tmp_path: Path) -> None:
    first, second = (ControlStore(f"sqlite:///{tmp_path / name}.db") for name in ("a", "b"))
    for store in (first, second):
        store.create_tables()
    NOTE.save(second, "new", "toy", {})
    rows = KeptRows(first, QUERY)
    assert keys(rows) == []
    second.engine.dispose()
    for suffix in ("", "-wal", "-shm"):
        if (path := tmp_path / f"b.db{suffix}").exists():
            path.rename(tmp_path / f"a.db{suffix}")
    assert keys(rows) == ["new"]


def test_after_an_error_the_connection_is_made_anew(control: ControlStore) -> None:
    rows = KeptRows(control, QUERY)
    assert keys(rows) == []
    rows._query = "SELECT 1 FROM nowhere"
    rows._seen = ()
    with pytest.raises(Exception, match="nowhere"):
        rows.read()
    assert rows._connection is None
    rows._query = QUERY
    assert keys(rows) == []
