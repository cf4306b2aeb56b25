"""The online store in one SQLite file: the embedded default. Many processes read while one writes (WAL)."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from include.core.errors import UnreachableError
from include.features.online import Packed, PackedStore, Stored

_TABLE = """
CREATE TABLE IF NOT EXISTS online (
    key TEXT PRIMARY KEY, event INTEGER NOT NULL, created INTEGER NOT NULL, payload BLOB NOT NULL
) WITHOUT ROWID
"""

_UPSERT = """
INSERT INTO online VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET event = excluded.event, created = excluded.created, payload = excluded.payload
WHERE (excluded.event, excluded.created) > (online.event, online.created)
"""


class SqliteOnlineStore(PackedStore):
    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._local = threading.local()

    def put(self, rows: Sequence[Packed]) -> int:
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # take the write lock first: two writers wait, none deadlocks
            try:
                changed = connection.executemany(_UPSERT, rows).rowcount
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            return int(changed)

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        found: dict[str, Stored] = {}
        with self._connection() as connection:
            for start in range(0, len(keys), 500):  # SQLite bounds the parameters of a statement
                some = keys[start : start + 500]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, event, payload FROM online WHERE key IN ({marks})"
                found.update((key, Stored(event, payload)) for key, event, payload in connection.execute(query, some))
        return [found.get(key) for key in keys]

    def size(self, prefix: str) -> int:
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        with self._connection() as connection:
            row = connection.execute("SELECT count(*) FROM online WHERE key >= ? AND key < ?", (prefix, after)).fetchone()
        return int(row[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; a forked child opens its own."""
        try:
            if getattr(self._local, "pid", None) != os.getpid():
                self._local.connection, self._local.pid = self._open(), os.getpid()
            yield self._local.connection
        except (sqlite3.Error, OSError) as error:
            raise UnreachableError(
                f"The online store {self.path} did not answer: {error}.",
                safe="what it holds; nothing of this call was written.",
                hint="check SLIPSTREAM_ONLINE_URL and the disk; the task is retried.",
            ) from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a crash loses no consistency; materializing again is free
        connection.execute(_TABLE)
        return connection
