"""A subject's values in the control store: samples that a verdict keeps, words of a decision.

The audit chain is left as it is: its hashes cover every byte, and what is written to it names nobody.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, metadata
from include.core.subject import Subject
from include.core.versioned_column import VersionedJson
from include.forgetting.tables import scrubbed_value

AUDIT = "slipstream_audit"
BATCH = 200  # rows a transaction: nobody who writes waits long


def clean_rows(control: ControlStore, subject: Subject) -> int:
    """Put the subject's values out of every row's JSON; how many rows changed. Doing it again finds none."""
    count = sum(_table(control, table, subject) for table in metadata.sorted_tables if table.name != AUDIT)
    if count and control.engine.dialect.name == "sqlite":
        with control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM"))  # what was written over stays in its free pages and its log otherwise
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return count


def _table(control: ControlStore, table: sa.Table, subject: Subject) -> int:
    columns = [column for column in table.columns if isinstance(column.type, sa.JSON | VersionedJson)]
    if not columns:
        return 0
    keys, count = list(table.primary_key.columns), 0
    with control.transaction() as connection:
        rows = connection.execute(sa.select(*keys, *columns).order_by(*keys)).all()
    wanted = [row[: len(keys)] for row in rows if any(_holds(value, subject) for value in row[len(keys) :])]
    for start in range(0, len(wanted), BATCH):
        with control.transaction() as connection:
            for key in wanted[start : start + BATCH]:
                here = sa.and_(*(column == value for column, value in zip(keys, key, strict=True)))
                count += _row(connection, table, here, columns, subject)
        fault.point("forget.rows")
    return count


def _holds(value: Any, subject: Subject) -> bool:
    return scrubbed_value(value, subject)[1] > 0


def _row(connection: sa.Connection, table: sa.Table, here: Any, columns: list[sa.Column[Any]], subject: Subject) -> bool:
    found = connection.execute(sa.select(*columns).where(here).with_for_update()).mappings().first()
    if found is None:  # removed since
        return False
    left = {name: scrubbed_value(value, subject) for name, value in found.items()}
    changed = {name: value for name, (value, count) in left.items() if count}
    if changed:
        connection.execute(table.update().where(here).values(**changed))
    return bool(changed)
