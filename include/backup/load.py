"""The control store made of its files again, in an empty database of either kind, in one transaction.

The schema is made at the number that the backup has, by the migrations that lead there, filled, and brought up to this release's.
Every fence is raised above what the platform that was backed up, or went on afterwards, can have given out: whoever took a
resource there is refused here, also if it reaches this store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.backup.lines import read_lines
from include.core import fault
from include.core.address import shown
from include.core.control import FLOOR, ControlStore, metadata
from include.core.errors import ConflictError, DataError, PermanentError
from include.core.schema import HEAD, TABLE
from include.core.schema.migrate import bring_up, make_at
from include.core.schema.state import refusal, stored_in
from include.core.time import timestamp

FENCES = "slipstream_fences"
JUMP = 1_000_000  # more epochs than a platform takes of one resource between two backups
LARGEST = 2**31 - 1  # of an epoch's column
BATCH = 500  # rows a statement
SHOWN = 6


def what_is_there(connection: sa.Connection) -> dict[str, int]:
    """Rows by table, of the tables that have any; empty for an empty database, and for a store that nothing has used yet."""
    there = set(sa.inspect(connection).get_table_names())
    counted = {}
    for table in metadata.sorted_tables:
        if table.name in there and table.name != TABLE:
            count = connection.execute(sa.select(sa.func.count()).select_from(sa.table(table.name))).scalar_one()
            if count:
                counted[table.name.removeprefix("slipstream_")] = int(count)
    return counted


def require_empty(control: ControlStore, there: Mapping[str, int]) -> None:
    """Raises ConflictError that names what is there."""
    if there:
        most = sorted(there.items(), key=lambda each: -each[1])
        words = ", ".join(f"{count} {name}" for name, count in most[:SHOWN])
        raise ConflictError(
            f"The control store at {shown(control.url)} is in use: it has {words}.",
            seen=dict(most), safe="nothing was changed.",
            hint="name an empty database (SLIPSTREAM_CONTROL_URL). To give this one up, move its file away or make a new "
            "database: nothing is ever restored over what is there.",
        )  # fmt: skip


def load(control: ControlStore, schema: int, tables: Mapping[str, Path], then: Callable[[sa.Connection], None]) -> dict[str, int]:
    """Fill the store from the files of its tables, and call `then` before it is committed. Returns the rows by table.

    All of it happens or none. Raises ConflictError for a store that is not empty, DataError for a row that the database
    refuses, PermanentError for a backup of a later release.
    """
    if schema > HEAD and (refused := refusal(control.url, schema)) is not None:
        raise PermanentError(
            f"The backup was made by a later release: its schema has the number {schema}, this release knows {HEAD} at most.",
            safe="nothing was restored.", hint="restore it with that release.",
        ) from refused  # fmt: skip
    with control.transaction() as connection:
        _lock(connection)
        require_empty(control, what_is_there(connection))
        _make(connection, schema)
        made = sa.MetaData()
        made.reflect(connection, only=lambda name, _: name in tables)
        lacking = sorted(set(tables) - set(made.tables))
        if lacking:
            raise DataError(f"Schema {schema} has no table {lacking[0]!r}.", seen=lacking, safe="nothing was restored.")
        counts = {name: _fill(connection, made.tables[name], path) for name, path in sorted(tables.items())}
        fault.point("restore.filled")
        bring_up(connection, schema)
        _raise_fences(connection)
        then(connection)
        fault.point("restore.done")
    fault.point("restore.committed")
    return counts


def _lock(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":  # SQLite has its write lock from BEGIN on
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7534)"))


def _make(connection: sa.Connection, schema: int) -> None:
    if stored_in(connection) not in (None, schema):  # empty tables, of another number than the backup's
        _drop(connection)
    if stored_in(connection) is None:
        make_at(connection, schema)


def _drop(connection: sa.Connection) -> None:
    there = sa.MetaData()
    there.reflect(connection, only=lambda name, _: name in metadata.tables)
    there.drop_all(connection)


def _fill(connection: sa.Connection, table: sa.Table, path: Path) -> int:
    count = 0
    batch: list[dict[str, Any]] = []
    for row in read_lines(path):
        batch.append(_checked(connection, table, row))
        if len(batch) == BATCH:
            count += _insert(connection, table, batch)
            batch = []
    return count + _insert(connection, table, batch)


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    if rows:
        connection.execute(table.insert(), rows)
        fault.point("restore.rows")
    return len(rows)


def _checked(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """The row, if this database takes it: SQLite has no limit of a text, takes NUL in it, and NaN in JSON."""
    unknown = sorted(set(row) - set(table.columns.keys()))
    if unknown:
        raise _refused(table, row, f"there is no column {unknown[0]!r}")
    if connection.dialect.name == "postgresql":
        for problem in _problems(table, row):
            raise _refused(table, row, problem)
    return row


def _problems(table: sa.Table, row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        kind = table.columns[name].type
        if isinstance(kind, sa.JSON):
            try:
                json.dumps(value, allow_nan=False)
            except ValueError:
                yield f"{name} holds a number that JSON has not (NaN or infinite)"
        elif isinstance(value, str):
            if "\x00" in value:
                yield f"{name} holds a NUL character"
            if isinstance(kind, sa.String) and kind.length and len(value) > kind.length:
                yield f"{name} has {len(value)} characters, and {kind.length} is the most"


def _refused(table: sa.Table, row: Mapping[str, Any], why: str) -> DataError:
    key = [row.get(column.name) for column in table.primary_key.columns]
    return DataError(
        f"A row of {table.name} cannot be stored here: {why}.",
        seen=key, safe="nothing was restored.", hint="restore it into SQLite, which takes it, and mend the row there.",
    )  # fmt: skip


def _raise_fences(connection: sa.Connection) -> None:
    fences = metadata.tables[FENCES]
    highest = connection.execute(sa.select(sa.func.max(fences.c.epoch))).scalar() or 0
    floor = int(highest) + JUMP
    if floor > LARGEST:
        raise PermanentError(f"An epoch of {floor} is more than a column takes: this store was restored too often.")
    values = {"epoch": floor, "holder": "restored from a backup", "at": timestamp()}
    connection.execute(fences.update().values(**values))
    if connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == FLOOR)).first() is None:
        connection.execute(fences.insert().values(resource=FLOOR, **values))
