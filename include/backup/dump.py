"""The control store as files: every table, a row a line (include/core/snapshot.py has them all of one moment)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.backup.lines import write_lines
from include.core import fault
from include.core.control import metadata
from include.core.schema import TABLE
from include.core.versioned_column import VersionedJson

AUDIT = "slipstream_audit"
PAGE = 1000  # rows that are in memory at once


def dump(connection: sa.Connection, folder: Path) -> dict[str, tuple[Path, int]]:
    """By table: its file, and how many rows are in it. The schema's number is not among them: the manifest says it."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name != TABLE:
            path = folder / f"{table.name}.jsonl.gz"
            found[table.name] = path, write_lines(path, rows(connection, table))
            fault.point("backup.table")
    return found


def rows(connection: sa.Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    """Each row by its columns, JSON as it is stored: with the version of its format, whichever that is."""
    columns = [_plain(column) for column in table.columns]
    query = sa.select(*columns).order_by(*table.primary_key.columns)
    for row in connection.execution_options(stream_results=True).execute(query).yield_per(PAGE).mappings():
        yield dict(row)


def _plain(column: sa.Column[Any]) -> Any:
    return sa.type_coerce(column, sa.JSON).label(column.name) if isinstance(column.type, VersionedJson) else column


def audit_head(connection: sa.Connection) -> Mapping[str, Any]:
    """`seq` and `hash` of the newest row of the audit chain; 0 and nothing before the first."""
    table = metadata.tables[AUDIT]
    query = sa.select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return dict(row) if row is not None else {"seq": 0, "hash": ""}
