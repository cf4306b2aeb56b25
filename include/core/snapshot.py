"""Reading the control store as it was at one moment, while whoever writes goes on writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from include.core.control import ControlStore


@contextmanager
def snapshot(control: ControlStore) -> Iterator[sa.Connection]:
    """A connection on which every query sees the store as it was at the first one. It holds up nobody who writes.

    Raises what `ControlStore.transaction` raises.
    """
    with control.explaining(), control.engine.connect() as plain:
        if control.engine.dialect.name == "sqlite":
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN")  # not IMMEDIATE, as all others say: a reader of a WAL takes no lock
            yield connection
            connection.exec_driver_sql("ROLLBACK")
        else:
            yield plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
