"""How the control store's database is opened, and what its errors mean to a person. SQLite, or PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from include.core.errors import StorageFullError, TransientError, UnreachableError
from include.core.scratch import BLOCK, is_full, no_room, storage_full

WAIT = 30  # seconds for a lock that somebody else holds
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={WAIT * 1000}", "foreign_keys=ON")

# A holder that was stopped in the middle of a transaction must not stop the others for ever: the server ends
# its transaction, and when it wakes it is told so.
POSTGRES = f"-c lock_timeout={WAIT}s -c idle_in_transaction_session_timeout={2 * WAIT}s"


def open_engine(url: str) -> sa.Engine:
    """An engine without a pool: a forked task must not share its parent's sockets, and connections are short.

    On SQLite every transaction takes the write lock at BEGIN, so none can deadlock.
    """
    if not url.startswith("sqlite"):
        options = {"connect_timeout": 10, "options": POSTGRES}
        return sa.create_engine(_with_driver(url), poolclass=NullPool, connect_args=options)
    path = sa.make_url(url).database or ""
    engine = sa.create_engine(url, poolclass=NullPool, creator=lambda: _open_sqlite(path))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _with_driver(url: str) -> sa.URL:
    """A plain `postgresql://` means psycopg2, which is in requirements.in; SQLAlchemy 2.1 would take psycopg 3."""
    parsed = sa.make_url(url)
    return parsed.set(drivername="postgresql+psycopg2") if parsed.drivername == "postgresql" else parsed


def _open_sqlite(path: str) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.OperationalError as error:
        if not no_room(error):
            raise
    # Readers of a WAL share an index file. On a full disk it cannot be made, but one alone needs none: what is
    # stored stays readable.
    return _connect(path, "locking_mode=EXCLUSIVE")


def _connect(path: str, *first: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)  # we say BEGIN ourselves
    try:
        for pragma in (*first, *PRAGMAS):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def explained(url: str, error: DBAPIError) -> TransientError:
    """The error as a person needs it: where it is, whether anything changed, what to do."""
    parsed = sa.make_url(url)
    if no_room(error.orig):
        return storage_full(Path(str(parsed.database)), BLOCK, "at least ")
    place, words = parsed.render_as_string(hide_password=True), " ".join(str(error.orig).split())
    if is_full(error):
        return StorageFullError(
            f"No space left on the server of the control store at {place} (at least 8192 bytes needed): {words}.",
            safe="the transaction was rolled back: nothing changed.",
            hint="free space there; the task is retried.",
        )
    return UnreachableError(
        f"The control store at {place} did not answer: {words}.",
        safe="a transaction happened as a whole or not at all, and the retry finds out: it happens once.",
        hint="check SLIPSTREAM_CONTROL_URL; the task is retried.",
    )
