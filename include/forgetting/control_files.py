"""The control store's files without what was deleted from them: a row that was put right, or that went long ago, is on the disk
until its place is used again.

SQLite's file is written anew as a whole. Of PostgreSQL's tables those that may quote a row are (`VACUUM FULL`), each in a moment
in which nobody uses it: nobody is made to wait. What the server keeps beside its tables is named, and is its owner's.
"""

from __future__ import annotations

import re
import time
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.sqlite_file import made_anew
from include.forgetting.control_rows import quoting

PATIENCE = 20.0  # seconds for the moments in which nobody uses a table, of all tables together; each is tried once at least
POLL = 0.25
AROUND = "PostgreSQL's write-ahead log, its archives, its standbys and its own log, for as long as they are kept."
_DEAD = re.compile(r"found \d+ [^\n]*\n[^:\n]*:\s+(\d+) ")  # of what VACUUM says, whatever its language


def files_anew(control: ControlStore) -> list[str]:
    """Have them written anew. Returns what holds deleted rows none the less, each in words: what it is, and what ends it."""
    if control.engine.dialect.name == "sqlite":
        return _sqlite(control)
    with control.explaining(), control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        end = time.monotonic() + PATIENCE
        left = [words for table in quoting() if (words := _anew(connection, table, end))]
    return [*left, AROUND]


def _sqlite(control: ControlStore) -> list[str]:
    with control.explaining(), control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        file = connection.connection.driver_connection
        assert file is not None  # it was opened a moment ago
        emptied = made_anew(file)
    return [] if emptied else [f"the log {control.engine.url.database}-wal, which somebody was reading: run the request again."]


def _anew(connection: sa.Connection, table: sa.Table, end: float) -> str:
    """Why it holds deleted rows none the less; empty where it does not."""
    name = connection.dialect.identifier_preparer.format_table(table)
    while True:
        said = _vacuum(connection, name)
        dead = _DEAD.search(said)
        if dead is not None and int(dead[1]) == 0:
            return ""
        if "permission" in said.lower():
            return f"dead rows of {name}, which this role may not write anew: VACUUM FULL {name}, as its owner."
        if time.monotonic() > end:
            why = "which somebody was using" if dead is None else f"of which an open transaction may still read {dead[1]}"
            return f"dead rows of {name}, {why}: VACUUM FULL {name}, or run the request again."
        time.sleep(POLL)


def _vacuum(connection: sa.Connection, name: str) -> str:
    """What the server says of it. It passes over a table that it may not lock at once, or not at all, and says so."""
    raw: Any = connection.connection.driver_connection
    raw.notices = said = _Said()
    connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE, VERBOSE, SKIP_LOCKED) {name}")
    return "\n".join(said.texts)


class _Said:
    """Takes a server's notices, and is no list: out of a list SQLAlchemy takes them away."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def append(self, text: str) -> None:
        self.texts.append(text)
