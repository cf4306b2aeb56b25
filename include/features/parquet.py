"""What Parquet files hold, looked at before any value is read: columns by name, types by family, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from include.core.errors import DataError

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


def read(paths: Sequence[str]) -> str:
    """SQL of the files' rows, columns matched by name. A column of a `name=value/` folder counts where the files lack it."""
    return f"read_parquet({list(paths)}, union_by_name = true)"


def columns(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], wanted: Mapping[str, str], what: str) -> Columns:
    """The types of the files' columns, once the `wanted` ones (name to family, "" any) are in every file.

    Raises DataError naming the file and the column that is missing, or the type that is not of its family.
    """
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {read(paths)}").fetchall()
    except duckdb.Error as error:
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
        f"SELECT name, list(DISTINCT file_name) FROM parquet_schema({list(paths)}) GROUP BY name"
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
