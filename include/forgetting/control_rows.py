"""A subject's values in the control store: samples that a verdict keeps, words of a decision, errors that were noted.

The audit chain is left as it is: its hashes cover every byte, and what we write to it names nobody. What a person's reason or an
error has brought into it all the same is named by its rows.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.core import fault
from include.core.control import ControlStore, metadata
from include.core.subject import Subject
from include.core.versioned_column import VersionedJson
from include.forgetting.tables import scrubbed_value
from include.governance.audit import Search, Seen, search_page

AUDIT = "slipstream_audit"
BATCH = 200  # rows a transaction: nobody who writes waits long
PAGE = 2000  # rows of the audit chain that are looked at together


def holding_values(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that may quote a row: JSON, and text of any length."""
    return [column for column in table.columns if isinstance(column.type, sa.JSON | VersionedJson | sa.Text)]


def quoting() -> list[sa.Table]:
    """The tables that may quote a row, and are not the audit chain."""
    return [table for table in metadata.sorted_tables if table.name != AUDIT and holding_values(table)]


def clean_rows(control: ControlStore, subject: Subject) -> int:
    """Put the subject's values out of every row; how many rows changed. Doing it again finds none."""
    return sum(_table(control, table, subject) for table in quoting())


def audit_rows(control: ControlStore, subject: Subject) -> list[int]:
    """The rows of the audit chain that hold one of the subject's values, by their numbers."""
    found, before = list[int](), None
    while rows := search_page(control, Search(), Seen(frozenset()), before, PAGE):
        found += [row.seq for row in rows if any(_holds(value, subject) for value in (row.actor, row.subject, row.detail))]
        before = rows[-1].seq
    return sorted(found)


def _table(control: ControlStore, table: sa.Table, subject: Subject) -> int:
    columns = holding_values(table)
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
