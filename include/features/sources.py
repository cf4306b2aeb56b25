"""The raw sources as DuckDB tables of clean rows: `main.{source}` with the lookback, `today.{source}` the day alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.reference import load
from include.data.raw import RawPartitions
from include.data.session import open_session

# (expectations reference, source, files) -> SELECT of the rows that no expectation sets aside. Stages never import
# each other, so it goes by name.
GOOD_ROWS = "include.validation.rows:good_rows"

Partitions = Mapping[str, Mapping[str, str]]  # {source: {YYYY-MM-DD: digest}}


@contextmanager
def open_sources(
    raw: RawPartitions, partitions: Partitions, day: date, expectations: str, scratch: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose tables are the sources; rows that break a row expectation are left out.

    One thread, so that sums of floats come out the same every time. Raises DataError for a partition that is
    missing, empty, truncated or of another schema than its neighbours, IntegrityError for changed bytes.
    """
    good_rows: Callable[[str, str, list[str]], str] = load(GOOD_ROWS)
    with open_session(nan_counts=True) as connection:
        connection.execute("CREATE SCHEMA today")
        for source, digests in partitions.items():
            paths = _fetch(raw, source, digests, day, scratch)
            _load(connection, f'main."{source}"', good_rows(expectations, source, [str(path) for path in paths.values()]))
            _load(connection, f'today."{source}"', good_rows(expectations, source, [str(paths[day])]))
        yield connection


def _fetch(raw: RawPartitions, source: str, digests: Mapping[str, str], day: date, scratch: Path) -> dict[date, Path]:
    """Local, checked files by day, oldest first."""
    if day.isoformat() not in digests:
        raise DataError(
            f"The {source} partition of {day} is missing.",
            seen=sorted(digests),
            safe="the published partitions stay.",
            hint=f"land {raw.storage.uri(raw.path(source, day))} and run the day again.",
        )
    days = {date.fromisoformat(text): digest for text, digest in sorted(digests.items())}
    paths = {d: raw.fetch(source, d, digest, scratch) for d, digest in days.items()}
    _check_schemas(source, paths)
    return paths


def _check_schemas(source: str, paths: Mapping[date, Path]) -> None:
    """Every partition must have the columns of the oldest one read, with its types; new columns may appear."""
    schemas = {day: pq.read_schema(path) for day, path in paths.items()}
    first = min(schemas)
    for day, schema in schemas.items():
        for expected in schemas[first]:
            seen = schema.field(expected.name).type if expected.name in schema.names else None
            if seen != expected.type:
                what = "has no column" if seen is None else "changed the type of column"
                raise DataError(
                    f"The {source} partition of {day} {what} {expected.name!r}: expected {expected.type} as on {first}.",
                    seen=str(seen) if seen is not None else schema.names,
                    safe="nothing was computed; the published partitions stay.",
                    hint=f"write the partition again with {expected.name}: {expected.type}, and clear the task.",
                )


def _load(connection: duckdb.DuckDBPyConnection, table: str, rows: str) -> None:
    try:
        connection.execute(f"CREATE TABLE {table} AS {rows}")
    except duckdb.Error as error:
        raise DataError(
            f"The raw partitions of {table.partition('.')[2].strip(chr(34))} cannot be read with the row expectations.",
            seen=str(error)[:400],
            safe="the published partitions stay.",
            hint="compare the partition's columns with the model's expectations.",
        ) from error
