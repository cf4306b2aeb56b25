"""What Parquet files hold, looked at before any value is read: columns by name, types by family, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from include.core.errors import DataError
from include.data.sql import files, identifier, literal, parquet

MISSING = "__HIVE_DEFAULT_PARTITION__"

_NUMBERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
Columns = dict[str, str]  # name to DuckDB type


def family(type_: str) -> str:
    """`number`, `text`, `time` or `truth`; other types are families of their own."""
    if type_ in _NUMBERS or type_.startswith("DECIMAL"):
        return "number"
    if type_ == "VARCHAR" or type_.startswith("ENUM"):
        return "text"
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return "time"
    return "truth" if type_ == "BOOLEAN" else type_


def utc(column: str, type_: str) -> str:
    """SQL of a time column as UTC TIMESTAMP in microseconds; a time without zone is UTC. The session's zone is UTC.

    An infinite time with a zone becomes NULL.
    """
    if type_ == "TIMESTAMP":
        return column
    if zoned(type_):  # by the number: a cast asks the calendar of the session's zone for each row, at ten times the cost
        return f"make_timestamp(epoch_us({column}::TIMESTAMPTZ))"
    return f"{column}::TIMESTAMP"


def zoned(type_: str) -> bool:
    return type_.startswith(("TIMESTAMP WITH", "TIMESTAMPTZ"))


def read(paths: Sequence[str], wanted: Mapping[str, str] | None = None) -> str:
    """SQL of the files' rows, columns matched by name.

    A `wanted` column (name to family) that a file lacks is taken from its `name=value/` folder: as text, or as a number
    where one is wanted. What the file holds itself always counts.
    """
    groups: dict[tuple[tuple[str, str | None], ...], list[str]] = {}
    for path in paths:
        groups.setdefault(tuple(_of_folders(path, wanted or {}).items()), []).append(path)
    if list(groups) in ([], [()]):
        return parquet(paths, union_by_name=True)
    parts = (
        f"SELECT *{_constants(dict(of), wanted or {})} FROM {parquet(some, union_by_name=True)}" for of, some in groups.items()
    )
    return f"({' UNION ALL BY NAME '.join(f'({part})' for part in parts)})"


def _of_folders(path: str, wanted: Mapping[str, str]) -> dict[str, str | None]:
    """The wanted columns that the file lacks and one of its folders names; None is Hive's name for a missing value."""
    segments = (part.partition("=") for part in Path(path).parts[:-1])
    given = {name: unquote(value) for name, equals, value in segments if equals and name in wanted}
    if not given:
        return {}
    held = {name.lower() for name in pq.read_schema(path).names}
    return {name: None if value == MISSING else value for name, value in given.items() if name.lower() not in held}


def _constants(values: Mapping[str, str | None], wanted: Mapping[str, str]) -> str:
    types = {"number": "DOUBLE", "time": "TIMESTAMP", "truth": "BOOLEAN"}

    def constant(name: str, value: str | None) -> str:
        type_ = types.get(wanted[name], "VARCHAR")
        if type_ == "DOUBLE" and (value is None or value.lstrip("-").isdigit()):
            type_ = "BIGINT"
        return f"CAST({'NULL' if value is None else literal(value)} AS {type_}) AS {identifier(name)}"

    return "".join(f", {constant(name, value)}" for name, value in values.items())


def columns(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], wanted: Mapping[str, str], what: str) -> Columns:
    """The types of the files' columns, once the `wanted` ones (name to family, "" any) are in every file.

    Raises DataError naming the file and the column that is missing, or the type that is not of its family.
    """
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {read(paths, wanted)}").fetchall()
    except (duckdb.Error, ArrowException, OSError) as error:
        raise _bad(f"The files of {what} cannot be read", str(error)[:400]) from error
    found = {str(row[0]): str(row[1]) for row in rows}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise _bad(f"{what} has no column {missing}", sorted(found))
    wrong = {name: found[name] for name, kind in wanted.items() if kind and family(found[name]) != kind}
    if wrong:
        said = "; ".join(f"{name!r} is {seen}, expected a {wanted[name]}" for name, seen in wrong.items())
        raise _bad(f"{what}: {said}", wrong)
    if len(paths) > 1:
        _check_each(connection, paths, wanted, what)
    return found


def _check_each(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], wanted: Mapping[str, str], what: str) -> None:
    """Matching by name would fill a column that one file lacks with nulls: it was renamed or dropped there."""
    counted = connection.execute(
        f"SELECT name, list(DISTINCT file_name) FROM parquet_schema([{files(paths)}]) GROUP BY name"
    ).fetchall()
    holders = {str(name): set(files) for name, files in counted}
    for name in wanted:
        without = [path for path in paths if path not in holders.get(name, ()) and f"/{name}=" not in path]
        if without:
            raise _bad(f"{what}: column {name!r} is missing in {len(without)} of {len(paths)} files", without[:3])


def _bad(said: str, seen: object) -> DataError:
    return DataError(
        f"{said}.",
        seen=seen,
        safe="nothing was computed.",
        hint="write the files again with the view's columns and types, or apply a view that says what they hold.",
    )
