"""A column of a Parquet file as SQL: what it holds, and its values with every form of "missing" as NULL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from include.data.sql import identifier

Family = Literal["number", "text", "time", "flag", "other"]

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
_TIMES = frozenset({"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"})


@dataclass(frozen=True)
class Column:
    """A name and DuckDB's name of its type."""

    name: str
    type: str

    @property
    def family(self) -> Family:
        """FLOAT is "other": pandas compares it in single precision, DuckDB in double."""
        if self.type == "DOUBLE" or self.type in _INTEGERS:
            return "number"
        if self.type in _TIMES:
            return "time"
        return {"VARCHAR": "text", "BOOLEAN": "flag"}.get(self.type, "other")  # type: ignore[return-value]

    @property
    def present(self) -> str:
        """True where the row has a value. pandas, and so great_expectations, reads NaN as missing."""
        name = identifier(self.name)
        return f"({name} IS NOT NULL AND NOT isnan({name}))" if self.type in {"DOUBLE", "FLOAT"} else f"({name} IS NOT NULL)"

    @property
    def value(self) -> str:
        """Its value, NULL where it is missing."""
        name = identifier(self.name)
        return f"(CASE WHEN {self.present} THEN {name} END)" if self.type in {"DOUBLE", "FLOAT"} else name

    def holds(self, values: Sequence[Any]) -> bool:
        """Whether `values` are of its own family, so that SQL and Python compare them alike. None is of any."""
        given = [value for value in values if value is not None]
        if self.family == "number":
            return all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
        if self.family == "time":
            return all(isinstance(value, datetime) and value.tzinfo is None for value in given)
        return self.family == "text" and all(isinstance(value, str) for value in given)
