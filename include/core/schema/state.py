"""Which number a store has, and whether this code may work with it. Imports no Alembic: every task asks."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from include.core.address import shown
from include.core.errors import NotReadyError, PermanentError, SlipstreamError
from include.core.schema import BASELINE, HEAD, TABLE, revision

OLDEST = "slipstream_effects"  # every store has this table, whichever release made it
CREATING = 7532  # PostgreSQL's advisory lock of who makes a new store; 7531 is the audit chain's


def stored(engine: sa.Engine) -> int | None:
    """The number of a store; None for an empty database. One query, without a lock, where there is a number.

    Raises what SQLAlchemy raises.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            return _number(connection)
        except DatabaseError:  # most likely there is no such table
            return stored_in(connection)


def stored_in(connection: sa.Connection) -> int | None:
    """The same inside a transaction, which PostgreSQL would break over a table that is not there."""
    inspector = sa.inspect(connection)
    # In this order: whoever makes a new store commits both tables at once, perhaps between these two questions.
    if not inspector.has_table(OLDEST):
        return None
    return _number(connection) if inspector.has_table(TABLE) else BASELINE


def _number(connection: sa.Connection) -> int:
    return int(connection.execute(sa.text(f"SELECT max(version_num) FROM {TABLE}")).scalar_one())


def create(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make the tables of a new store at the newest number, in the caller's transaction. Whoever comes second finds them made."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATING)))
    if sa.inspect(connection).has_table(OLDEST):
        return
    metadata.create_all(connection)
    connection.execute(sa.text(f"INSERT INTO {TABLE} (version_num) VALUES (:number)"), {"number": revision(HEAD)})


def refusal(url: str, number: int) -> SlipstreamError | None:
    """Why this code does not work with a store of that number; None where it does.

    An older store may be upgraded at any moment, so a task tries again; a newer one waits for nobody.
    """
    place = shown(url)
    if number < HEAD:
        return NotReadyError(
            f"The control store at {place} was made by an earlier release: its schema has the number {number}, "
            f"this release needs {HEAD}.",
            safe="nothing was read or written.",
            hint="stop what runs (`make down`), then: slipstream upgrade. A task that is retried meanwhile goes on afterwards.",
        )
    if number > HEAD:
        return PermanentError(
            f"The control store at {place} belongs to a later release: its schema has the number {number}, "
            f"this release knows {HEAD} at most.",
            safe="nothing was read or written.",
            hint="run the later release, or restore the backup that was made before its upgrade.",
        )
    return None
