"""A small table of the control store that is read again and again: by a connection that is kept, where it may have changed.

SQLite tells by itself that another connection wrote; elsewhere the table is read each time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore


class KeptRows:
    """For one thread. `query`: plain SQL."""

    def __init__(self, control: ControlStore, query: str) -> None:
        self._engine, self._query = control.engine, query
        self._connection: sa.PoolProxiedConnection | None = None
        self._seen: tuple[object, ...] = ()

    def read(self) -> Sequence[Any] | None:
        """The rows; None where nothing has changed since the last call. Raises what the database raises."""
        try:
            return self._read()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._seen = None, ()

    def _read(self) -> Sequence[Any] | None:
        lite, path = self._engine.dialect.name == "sqlite", self._engine.url.database
        state: tuple[object, ...] = ()
        if lite and path:
            file = os.stat(path)  # another file under the name is another database
            state = (file.st_dev, file.st_ino)
            if self._seen[:2] != state:
                self.close()
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            if not lite:
                self._connection.driver_connection.autocommit = True  # type: ignore[union-attr]
        cursor = self._connection.cursor()
        if lite:
            state += tuple(cursor.execute("PRAGMA data_version").fetchone())
            if state == self._seen:
                return None
        cursor.execute(self._query)
        rows: Sequence[Any] = cursor.fetchall()
        cursor.close()
        self._seen = state
        return rows
