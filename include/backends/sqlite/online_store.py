"""The online store in one SQLite file: the embedded default. Many processes read while one writes (WAL)."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from include.core.errors import UnreachableError
from include.core.private_files import private_file
from include.core.scratch import BLOCK, no_room, storage_full
from include.core.sqlite_file import made_anew
from include.core.time import MICROSECOND
from include.online_store.layout import AHEAD
from include.online_store.packed_store import PackedStore, Stored
from include.online_store.row_codec import Packed
from include.online_store.store import Row

_TABLE = """
CREATE TABLE IF NOT EXISTS feature_rows (
    key TEXT PRIMARY KEY, event INTEGER NOT NULL, created INTEGER NOT NULL, payload BLOB NOT NULL,
    expires INTEGER  -- microseconds since 1970; NULL: never
) WITHOUT ROWID
"""

_UPSERT = """
INSERT INTO feature_rows VALUES {} ON CONFLICT (key) DO UPDATE
SET event = excluded.event, created = excluded.created, payload = excluded.payload, expires = excluded.expires
WHERE (excluded.event, excluded.created, excluded.payload)
    > (feature_rows.event, feature_rows.created, feature_rows.payload)
"""

_SCAN = """
SELECT key, event, created, payload FROM feature_rows WHERE key BETWEEN ? AND ? AND (expires IS NULL OR expires > ?) LIMIT ?
"""

_ROW, TOGETHER = "(?, ?, ?, ?, ?)", 20  # rows one statement writes: two thirds of the time that each by itself takes
_UPSERT_ONE, _UPSERT_MANY = _UPSERT.format(_ROW), _UPSERT.format(", ".join([_ROW] * TOGETHER))
PARAMETERS = 500  # of one statement
CACHE_KIB = 64 << 10  # of each connection, at most: with SQLite's own 2 MiB most keys of a batch are read from the file


def open_online(url: str) -> SqliteOnlineStore:
    """`sqlite:////absolute/path.db`, as SQLAlchemy writes it."""
    return SqliteOnlineStore(url.partition("://")[2].removeprefix("/"))


class SqliteOnlineStore(PackedStore):
    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path = Path(path)
        self._local = threading.local()

    def put(self, rows: Packed, ttl: int | None) -> int:
        # An event may lie a little ahead of this clock, and lives its ttl from then on.
        expires = None if ttl is None else _now() + ttl + AHEAD // MICROSECOND
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # take the write lock first: two writers wait, none deadlocks
            try:
                values = zip(rows.keys, rows.events, rows.created, rows.payloads, repeat(expires), strict=False)
                changed = _upserted(connection, values, len(rows.keys))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # after a full disk SQLite has rolled back by itself
                    connection.execute("ROLLBACK")
                raise
            return changed

    def get(self, keys: Sequence[str]) -> list[Stored | None]:
        found = {row[0]: Stored._make(row[1:]) for row in self._rows("key, event, created, payload", keys)}
        return [found.get(key) for key in keys]

    def compare(self, rows: Packed, ttl: int | None = None) -> Sequence[int]:
        """A scan from the first key to the last, where few others lie between, is cheaper than a search for each."""
        wanted = list(zip(rows.keys, rows.events, rows.created, rows.payloads, strict=True))
        if wanted:
            between = (min(rows.keys), max(rows.keys), _now(), 2 * len(wanted))
            with self._connection() as connection:
                found = connection.execute(_SCAN, between).fetchall()
            if found != wanted and not set(wanted).issubset(found):
                return super().compare(rows, ttl)
        return [0] * len(wanted)

    def fetch(self, keys: Sequence[str]) -> list[Row | None]:
        found = {key: (event, payload) for key, event, payload in self._rows("key, event, payload", keys)}
        return list(map(found.get, keys))

    def _rows(self, columns: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with self._connection() as connection:
            for start in range(0, len(keys), PARAMETERS):
                some = keys[start : start + PARAMETERS]
                rows += connection.execute(_select(columns, len(some)), (*some, _now())).fetchall()
        return rows

    def size(self, prefix: str) -> int:
        live = f"{_BETWEEN} AND (expires IS NULL OR expires > ?)"
        with self._connection() as connection:
            row = connection.execute(f"SELECT count(*) FROM feature_rows {live}", (*_between(prefix), _now())).fetchone()
        return int(row[0])

    def has(self, prefix: str) -> bool:
        live = f"{_BETWEEN} AND (expires IS NULL OR expires > ?) LIMIT 1"
        with self._connection() as connection:
            return connection.execute(f"SELECT 1 FROM feature_rows {live}", (*_between(prefix), _now())).fetchone() is not None

    def expire(self, prefix: str) -> int:
        with self._connection() as connection:
            gone = connection.execute(f"DELETE FROM feature_rows {_BETWEEN} AND expires <= ?", (*_between(prefix), _now()))
        return int(gone.rowcount)

    def walk(self, prefix: str) -> Iterator[str]:
        with self._connection() as connection:
            rows = connection.execute(f"SELECT key FROM feature_rows {_BETWEEN}", _between(prefix)).fetchall()
        yield from (key for (key,) in rows)

    def drop(self, keys: Sequence[str]) -> int:
        with self._connection() as connection:
            gone = connection.executemany("DELETE FROM feature_rows WHERE key = ?", ((key,) for key in keys)).rowcount
        return max(gone, 0)

    def purge(self) -> list[str]:
        with self._connection() as connection:
            emptied = made_anew(connection)
        return [] if emptied else [f"the log {self.path}-wal, which somebody was reading: run the request again."]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection to the file that lies there now; a forked child opens its own."""
        try:
            identity = self._identity()
            if identity is None or identity != getattr(self._local, "identity", None):
                self._local.connection = self._open()
                self._local.identity = self._identity()
            yield self._local.connection
        except (sqlite3.Error, OSError) as error:
            if no_room(error):
                raise storage_full(self.path, BLOCK, "at least ") from error
            raise UnreachableError(
                f"The online store {self.path} did not answer: {error}.",
                safe="what it holds; nothing of this call was written.",
                hint="check SLIPSTREAM_ONLINE_URL and the disk; the task is retried.",
            ) from error

    def _identity(self) -> tuple[int, int, int] | None:
        """A file that was removed lives on for those who have it open: what they write there is lost."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        return os.getpid(), status.st_dev, status.st_ino

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        private_file(self.path)
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a crash loses no consistency; materializing again is free
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(_TABLE)
        return connection


def _upserted(connection: sqlite3.Connection, rows: Iterator[tuple[Any, ...]], count: int) -> int:
    """How many changed."""
    values = chain.from_iterable(islice(rows, count - count % TOGETHER))
    together = zip(*[values] * (TOGETHER * _ROW.count("?")), strict=True)
    changed = connection.executemany(_UPSERT_MANY, together).rowcount
    return max(changed, 0) + max(connection.executemany(_UPSERT_ONE, rows).rowcount, 0)


_BETWEEN = "WHERE key >= ? AND key < ?"


def _between(prefix: str) -> tuple[str, str]:
    return prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)


@lru_cache(maxsize=1000)
def _select(columns: str, count: int) -> str:
    marks = ",".join("?" * count)
    return f"SELECT {columns} FROM feature_rows WHERE key IN ({marks}) AND (expires IS NULL OR expires > ?)"


def _now() -> int:
    return time.time_ns() // 1000
