"""Bringing a store to the newest number, by Alembic. Only `slipstream upgrade` imports this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from include.core import fault
from include.core.control import ControlStore, metadata
from include.core.schema import HEAD, revision
from include.core.schema.former import count_documents, move_documents
from include.core.schema.state import create, refusal, stored, stored_in

HERE = Path(__file__).parent
MIGRATING = 7533  # PostgreSQL's advisory lock of who migrates


@dataclass(frozen=True)
class Step:
    """One migration: the number that a store has after it, and what it changes."""

    number: int
    what: str


@dataclass(frozen=True)
class Migrated:
    """What was done to a store. `before` is None for an empty database."""

    before: int | None
    steps: tuple[Step, ...]
    documents: int  # that a process of an earlier release had written as effects since the last migration


def pending(number: int | None) -> tuple[Step, ...]:
    """The migrations that a store of that number lacks, oldest first. None: an empty database needs none, it is made new."""
    return tuple(_steps(number)) if number is not None else ()


def _steps(number: int) -> Iterator[Step]:
    revisions = ScriptDirectory.from_config(_config()).walk_revisions(revision(number), revision(HEAD))
    for each in reversed([found for found in revisions if int(found.revision) > number]):
        yield Step(int(each.revision), str(each.doc).splitlines()[0])


def read_number(control: ControlStore) -> int | None:
    """The store's number, in our errors. Raises PermanentError for a store that is newer than this code."""
    with control.explaining():
        number = stored(control.engine)
    if number is not None and number > HEAD and (refused := refusal(control.url, number)) is not None:
        raise refused
    return number


def count_left(control: ControlStore) -> int:
    """How many documents still stand among the effects, where earlier releases kept them."""
    with control.transaction() as connection:
        return count_documents(connection)


def migrate(control: ControlStore, actor: str = "upgrade") -> Migrated:
    """Everything in one transaction, with its row in the audit: killed at any moment, the store is as it was or as it is to be.

    Of two at once the second waits, and finds nothing left to do. Raises PermanentError for a newer store.
    """
    read_number(control)
    fault.point("schema.migrate.begin")
    with control.transaction() as connection:
        if connection.dialect.name == "postgresql":  # SQLite has its write lock from BEGIN on
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATING)))
        before = stored_in(connection)  # another one may have migrated since
        if before is None:
            create(connection, metadata)
            return Migrated(None, (), 0)
        steps = pending(before)
        if steps:
            command.upgrade(_config(connection), revision(HEAD))
        documents = move_documents(connection)
        if steps:
            detail = {"from": before, "to": HEAD, "steps": [step.what for step in steps]}
            control.append_audit(connection, actor, "upgrade", "control store", detail)
        fault.point("schema.migrate.done")
    fault.point("schema.migrate.committed")
    return Migrated(before, steps, 0 if steps else documents)


def make_at(connection: sa.Connection, number: int) -> None:
    """The tables of an empty database as a store of that number has them, in the caller's transaction."""
    if number == HEAD:
        create(connection, metadata)
    else:
        command.upgrade(_config(connection), revision(number))


def bring_up(connection: sa.Connection, number: int) -> None:
    """The store of that number to the newest one, in the caller's transaction."""
    if number < HEAD:
        command.upgrade(_config(connection), revision(HEAD))
    move_documents(connection)


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
