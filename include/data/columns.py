"""What is the same column, whoever wrote it: one table from a Parquet file's types to those that rules and features see.

| stored as | read as |
|---|---|
| string, large_string, string_view, dictionary of them, UUID | VARCHAR |
| timestamp in any unit, with a zone or without (then UTC), INT96, date | TIMESTAMP, UTC, microseconds |
| decimal without digits after the point / with | BIGINT (refused beyond 64 bits) / DOUBLE |
| null (no value in the whole file) | missing values of the type that the neighbouring days have |
| integers, floats, booleans | as they are; half floats as FLOAT |
| binary, time of day, nested | as they are; no rule can name them |

Validation, features and profile read partitions by `rows` alone, so that none of them can judge another value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from include.core.errors import DataError
from include.data.sql import Path, identifier, literal, parquet

ROW = "__slipstream_row"  # the place of a row in its file
RESERVED = "__slipstream"
NULL = '"NULL"'

Types = dict[str, str]  # column to DuckDB's name of its type

INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
FLOATS = frozenset({"FLOAT", "DOUBLE"})
EXACT = 2**53  # beyond, a double does not hold every integer


def stored(connection: duckdb.DuckDBPyConnection, path: Path) -> Types:
    """The types of a file's columns. Raises DataError for a file that cannot be read or a name that is ours."""
    try:
        found = connection.execute(f"DESCRIBE SELECT * FROM {parquet([path])}").fetchall()
    except duckdb.Error as error:
        raise unreadable(f"The columns of {path} cannot be read", error) from error
    types = {str(row[0]): str(row[1]) for row in found}
    ours = [name for name in types if name.lower().startswith(RESERVED)]
    if ours:
        raise DataError(
            f"{path} has a column {ours[0]!r}.", seen=ours, hint=f"names that begin with {RESERVED} are ours: rename it."
        )
    return types


def canonical(type_: str) -> str:
    """The type as which rules see a column of that stored type."""
    if type_.startswith(("TIMESTAMP", "DATE")) and not nested(type_):
        return "TIMESTAMP"
    if type_.startswith("DECIMAL") and not nested(type_):
        return "BIGINT" if type_.endswith(",0)") else "DOUBLE"
    if type_ in {NULL, "NULL", "UUID", "JSON"} or (type_.startswith("ENUM") and not nested(type_)):
        return "VARCHAR"
    return type_


def nested(type_: str) -> bool:
    return type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION", "VARIANT"))


def same(types: Iterable[str]) -> str | None:
    """The one type of a column that is stored as these on several days; None where they are not the same column."""
    known = {type_ for type_ in types if type_ not in {NULL, "NULL"}}
    if known <= {"DATE"}:
        return "DATE" if known else "VARCHAR"
    read = {canonical(type_) for type_ in known}
    if len(read) == 1:
        return read.pop()
    if read <= INTEGERS:
        return "HUGEINT" if "UBIGINT" in read else "BIGINT"
    return "DOUBLE" if read <= INTEGERS | FLOATS else None


def value(name: str, type_: str) -> str:
    """SQL of a column as its canonical type. A time that no calendar holds ends the query with an error that names it."""
    column = identifier(name)
    if type_ in {NULL, "NULL"}:
        return "NULL"  # of no type yet: a rule may compare it with a number, a text or a time
    if canonical(type_) == "TIMESTAMP":
        zoned = type_.startswith(("TIMESTAMPTZ", "TIMESTAMP WITH", "TIMESTAMP_TZ"))
        # By the number: a cast would ask the calendar of the session's zone.
        time = f"make_timestamp(epoch_us(CAST({column} AS TIMESTAMPTZ)))" if zoned else f"CAST({column} AS TIMESTAMP)"
        words = literal(f"column {name!r} holds a time outside the years 1 to 9999")
        inside = f"{column} IS NULL OR (isfinite({time}) AND year({time}) BETWEEN 1 AND 9999)"
        return f"CASE WHEN {inside} THEN {time} ELSE CAST(error({words}) AS TIMESTAMP) END"
    return column if canonical(type_) == type_ else f"CAST({column} AS {canonical(type_)})"


def rows(paths: Sequence[Path], types: Types, only: Iterable[str] | None = None, *, numbered: bool = False) -> str:
    """SQL of a relation: the files' columns (`only` some) as their canonical types; `numbered`, with their place in the file.

    All the files have `types`. With several files the place counts within each.
    """
    chosen = list(types) if only is None else list(dict.fromkeys(only))
    selected = [f"{value(name, types[name])} AS {identifier(name)}" for name in chosen]
    if numbered or not selected:
        selected.append(f"{_place(types, len(paths))} AS {ROW}")
    return f"(SELECT {', '.join(selected)} FROM {parquet(paths)})"


def _place(types: Types, files: int) -> str:
    """DuckDB's own number, unless the file has a column of that name: then the order of the rows, which DuckDB keeps."""
    if not any(name.lower() == "file_row_number" for name in types):
        return "file_row_number"
    if files > 1:
        raise ValueError("rows of several files are numbered file by file")
    return "row_number() OVER () - 1"


def culprit(
    connection: duckdb.DuckDBPyConnection, path: Path, types: Mapping[str, str], only: Iterable[str] | None = None
) -> str:
    """Which column of a file cannot be read, in words; "" if each of them can."""
    for name in types if only is None else only:
        try:
            connection.execute(f"SELECT count(hash({value(name, types[name])})) FROM {parquet([path])}").fetchall()
        except duckdb.Error:
            return f"column {name!r} ({types[name]}) of {path}"
    return ""


def unreadable(what: str, error: Exception) -> DataError:
    return DataError(
        f"{what}: {str(error)[:300]}.",
        safe="the published partition stays.",
        hint="write the partition again, whole, then clear the task.",
    )
