"""How the control store's database is opened, and what its errors mean to a person. SQLite, or PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from include.core import tls
from include.core.address import shown, without_secrets
from include.core.errors import PermanentError, SlipstreamError, SpecError, StorageFullError, UnreachableError
from include.core.private_files import private_file
from include.core.scratch import BLOCK, is_full, no_room, storage_full

WAIT = 30  # seconds for a lock that somebody else holds
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={WAIT * 1000}", "foreign_keys=ON")

# A holder that was stopped in the middle of a transaction must not stop the others for ever: the server ends
# its transaction, and when it wakes it gets an error. Said in each transaction, for poolers such as PgBouncer refuse it as a
# startup parameter and lend the session to others between transactions.
POSTGRES = f"SET LOCAL lock_timeout = '{WAIT}s'; SET LOCAL idle_in_transaction_session_timeout = '{2 * WAIT}s'"
DRIVERS = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2", "postgresql+psycopg2": "postgresql+psycopg2"}

# A server that is cut off must not hold a caller for the kernel's quarter of an hour: what was sent is acknowledged in time, or
# the connection is over. Seconds, but for the last, which is milliseconds.
PATIENCE = {
    "connect_timeout": 10, "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip
VERIFYING = ("verify-ca", "verify-full")  # by an authority that somebody has to name; `require` asks for none

# What a server says to a login that no retry can help, and the cure. psycopg2 has no SQLSTATE of a refused connection.
REFUSALS = {
    "certificate verify failed": "name the authority that signed its certificate in ?sslrootcert= or SLIPSTREAM_CA_BUNDLE",
    "root certificate file": "name the authority's file in ?sslrootcert= or SLIPSTREAM_CA_BUNDLE, or leave verification out",
    "does not match host name": "name the server as its certificate does, or add ?sslmode=verify-ca",
    "server does not support SSL": "switch TLS on there, or remove ?sslmode= from the address",
    "could not load private key file": "name a key that this process can read and that is its user's alone in ?sslkey=",
    "could not read certificate file": "name a file that this process can read in ?sslcert=",
    "certificate has expired": "renew the server's certificate",
    "password authentication failed": "correct the user and the password",
    "no password supplied": "give the password",
    "no pg_hba.conf entry": "let this address in (pg_hba.conf), or add ?sslmode=require",
    "is not permitted to log in": "give the role LOGIN",
    'relation "': "it lost a table: restore the database from its backup, or start with an empty one",
    "no such table": "it lost a table: restore the database from its backup, or start with an empty one",
    "does not exist": "create the database or the role, or correct its name",
    "invalid connection option": "remove the option, or correct its name",
    "invalid sslmode": "correct the option",
    "invalid integer value": "correct the option",
    "unsupported startup parameter": "remove that option from the URL: the pooler refuses it",
    "permission denied": "grant the role CREATE and USAGE on the schema, and all rights on its tables",
    "unable to open database file": "make the folder, and let this user write there",
    "attempt to write a readonly database": "let this user write the file and its folder",
    "file is not a database": "name a SQLite database, or a file that is not there yet",
}


def open_engine(url: str) -> sa.Engine:
    """An engine without a pool: a forked task must not share its parent's sockets, and connections are short.

    On SQLite every transaction takes the write lock at BEGIN, so none can deadlock. Raises SpecError for a URL that is none,
    or names another database or driver.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        engine = sa.create_engine(parsed, poolclass=NullPool, connect_args=_connect_args(parsed))
        sa.event.listen(engine, "begin", _set_local)
        return engine
    path = sa.make_url(url).database or ""
    engine = sa.create_engine(url, poolclass=NullPool, creator=lambda: _open_sqlite(path))
    sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _parsed(url: str) -> sa.URL:
    """A plain `postgresql://` means psycopg2, which is among the dependencies; SQLAlchemy 2.1 would take psycopg 3."""
    hint = "use sqlite:////absolute/path.db or postgresql://user:password@host:5432/database (psycopg2)."
    try:
        parsed = sa.make_url(url)
        known = parsed.drivername in DRIVERS or parsed.drivername in ("sqlite", "sqlite+pysqlite")
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise SpecError("SLIPSTREAM_CONTROL_URL is no database URL.", seen=shown(url), hint=hint) from error
    if not known:
        raise SpecError("SLIPSTREAM_CONTROL_URL names a database or driver that we do not use.", seen=shown(url), hint=hint)
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def _connect_args(url: sa.URL) -> dict[str, Any]:
    """What the URL leaves open: how long a server that is not there is waited for, and who vouches for its certificate."""
    args: dict[str, Any] = {**PATIENCE}
    if url.query.get("sslmode") in VERIFYING and (authorities := tls.bundle()):
        args["sslrootcert"] = authorities
    return {name: value for name, value in args.items() if name not in url.query}


def _set_local(connection: sa.Connection) -> None:
    if not _autocommits(connection):  # a lock that a session holds has its own time-out
        connection.exec_driver_sql(POSTGRES)


def _begin_immediate(connection: sa.Connection) -> None:
    if not _autocommits(connection):  # one that only reads needs no lock
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _autocommits(connection: sa.Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


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
    if path not in ("", ":memory:"):
        _make_private(path)
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)  # we say BEGIN ourselves
    try:
        for pragma in (*first, *PRAGMAS):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: str) -> None:
    """Make it before SQLite does, for its owner alone; what lies beside it (the log, its index) takes over its mode.

    Where that cannot be done, SQLite says why in its own words, which we explain.
    """
    with contextlib.suppress(OSError):
        private_file(path)


def explained(url: str, error: DBAPIError) -> SlipstreamError:
    """The error as a person needs it: where it is, whether anything changed, what to do."""
    if no_room(error.orig):
        return storage_full(Path(str(sa.make_url(url).database)), BLOCK, "at least ")
    place, words = shown(url), without_secrets(" ".join(str(error.orig).split()), url)
    if is_full(error):
        return StorageFullError(
            f"No space left on the server of the control store at {place} (at least 8192 bytes needed): {words}.",
            safe="the transaction was rolled back: nothing changed.",
            hint="free space there; the task is retried.",
        )
    if cure := next((cure for sign, cure in REFUSALS.items() if sign in words), ""):
        return PermanentError(
            f"The control store at {place} refused us: {words}.",
            safe="nothing changed.",
            hint=f"{cure}; the address is SLIPSTREAM_CONTROL_URL. Then clear the task.",
        )
    return UnreachableError(
        f"The control store at {place} did not answer: {words}.",
        safe="a transaction happened as a whole or not at all, and the retry finds out: it happens once.",
        hint="check SLIPSTREAM_CONTROL_URL; the task is retried.",
    )
