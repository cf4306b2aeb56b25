"""The one place where values, names and paths become SQL: quotes doubled, and no path read as a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from os import PathLike
from typing import Any

from include.core.errors import SpecError

Path = str | PathLike[str]

_PATTERN = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})


def identifier(name: str) -> str:
    """The name of a column or table, as it stands."""
    return '"' + name.replace('"', '""') + '"'


def quoted(*names: str) -> str:
    """Names of columns that a spec has checked, with commas between."""
    return ", ".join(f'"{name}"' for name in names)


def literal(value: Any) -> str:
    """A DuckDB literal of a text, number, boolean, date or time. Raises SpecError for any other value."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return f"CAST('{value!r}' AS DOUBLE)" if isinstance(value, float) else repr(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise SpecError("A row rule holds text, numbers, booleans, dates or times.", seen=value)


def exact(path: Path) -> str:
    """A path that DuckDB's readers match with this one file alone: they take brackets, stars and question marks for a pattern."""
    return str(path).translate(_PATTERN)


def parquet(paths: Sequence[Path], *, union_by_name: bool = False) -> str:
    """What stands after FROM to read these files and no others. A folder named `name=value` never becomes a column."""
    options = ", union_by_name = true" if union_by_name else ""
    return f"read_parquet([{files(paths)}], hive_partitioning = false{options})"


def files(paths: Sequence[Path]) -> str:
    """Literals of the paths, for a list of one of DuckDB's readers."""
    return ", ".join(literal(exact(path)) for path in paths)


def copy(query: str, path: Path, options: str = ", COMPRESSION zstd") -> str:
    """The statement that writes a query's rows to a Parquet file."""
    return f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet{options})"
