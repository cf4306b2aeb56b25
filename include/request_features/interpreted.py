"""Expressions evaluated by DuckDB, one row a query: what stands in where the compiled function gives other bits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from include.core.expression.checked import TIME
from include.data.session import open_session
from include.data.sql_types import sql_type
from include.request_features.definition import RequestFeatures
from include.request_features.relation import with_computed


class Interpreted:
    """A `Derive` (include/request_features/compiled.py) of some hundreds of microseconds. Used by one thread at a time."""

    def __init__(self, wanted: RequestFeatures) -> None:
        self._given, self._names = tuple(each.name for each in wanted.given), wanted.names
        types = [*(sql_type(each.dtype) for each in wanted.given), "TIMESTAMP"]
        places = (
            f'${at}::{type_} AS "{name}"' for at, (name, type_) in enumerate(zip((*self._given, TIME), types, strict=True), 1)
        )
        names = ", ".join(f'"{name}"' for name in self._names)
        row = f"SELECT {', '.join(places)}"
        self._sql = f"SELECT {names} FROM ({with_computed(row, wanted)})"
        self._connection = open_session(1)

    def __call__(self, row: dict[str, Any], moment: datetime) -> None:
        values = [*(row.get(name) for name in self._given), moment]
        found = self._connection.execute(self._sql, values).fetchall()[0]
        row.update(zip(self._names, found, strict=True))
