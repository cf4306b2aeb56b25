"""The raw sources as DuckDB tables of clean rows: `main.{source}` with the lookback, `today.{source}` the day alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from include.core.errors import DataError
from include.core.partition import Partition
from include.data.authored import memory
from include.data.columns import EXACT, NULL, Types, culprit, same, stored
from include.data.raw import RawPartitions
from include.data.session import open_session, seal
from include.data.sql import identifier, parquet
from include.row_rules.predicate import good_rows

Partitions = Mapping[str, Mapping[str, str]]  # {source: {partition: digest}}


@contextmanager
def open_sources(
    raw: RawPartitions,
    partitions: Partitions,
    day: Partition | date,
    expectations: str,
    scratch: Path,
    files: Sequence[Path | str] = (),
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose tables are the sources; rows that break a row expectation are left out.

    It is sealed, since authors' SQL runs in it; `files` are those that our own statements read and write there afterwards.
    One thread, so that sums of floats come out the same every time. Raises DataError for a partition that is missing,
    empty, truncated or of another schema than its neighbours, IntegrityError for changed bytes.
    """
    day = Partition.of(day)
    with open_session(1, memory(), spill=scratch / "spill", nan_counts=True, lock=False) as connection:
        connection.execute("CREATE SCHEMA today")
        for source, digests in partitions.items():
            paths = _fetch(raw, source, digests, day, scratch)
            types = {one: stored(connection, path) for one, path in paths.items()}
            targets = _check_schemas(source, types)
            _check_exact(connection, source, paths, types, targets)
            for table, days in ((f'main."{source}"', list(paths)), (f'today."{source}"', [day])):
                groups = [
                    (chosen, good_rows(expectations, source, [str(paths[one]) for one in same_types], chosen))
                    for same_types in _alike(days, types)
                    for chosen in [types[same_types[0]]]
                ]
                _load(connection, table, _united(groups, targets), paths, types)
        seal(connection, files)
        yield connection


def _fetch(raw: RawPartitions, source: str, digests: Mapping[str, str], day: Partition, scratch: Path) -> dict[Partition, Path]:
    """Local, checked files by day, oldest first."""
    if day.name not in digests:
        raise DataError(
            f"The {source} partition of {day} is missing.",
            seen=sorted(digests),
            safe="the published partitions stay.",
            hint=f"land {raw.storage.uri(raw.path(source, day))} and run the day again.",
        )
    days = {raw.cadence.parse(text): digest for text, digest in sorted(digests.items())}
    return {d: raw.fetch(source, d, digest, scratch) for d, digest in days.items()}


def _check_schemas(source: str, types: Mapping[Partition, Types]) -> Types:
    """The type of each column over all partitions. Every one must have the columns of the oldest; new columns may appear."""
    first = min(types)
    names = list(dict.fromkeys(name for found in types.values() for name in found))
    targets: Types = {}
    for name in names:
        seen = {day: found[name] for day, found in types.items() if name in found}
        gone = [day for day in types if day not in seen and name in types[first]]
        target = same(seen.values())
        if gone or target is None:
            expected = next((type_ for type_ in seen.values() if type_ != NULL), NULL)
            day = gone[0] if gone else next(day for day, type_ in seen.items() if same([expected, type_]) is None)
            what = "has no column" if gone else "changed the type of column"
            raise DataError(
                f"The {source} partition of {day} {what} {name!r}: expected {expected} as on {min(seen)}.",
                seen=list(types[day]) if gone else seen[day],
                safe="nothing was computed; the published partitions stay.",
                hint=f"write the partition again with {name}: {expected} (another encoding of it will do), and clear the task.",
            )
        targets[name] = target
    return targets


def _check_exact(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    paths: Mapping[Partition, Path],
    types: Mapping[Partition, Types],
    targets: Types,
) -> None:
    """Raises DataError where integers of one day would lose digits as the doubles of another."""
    for name, target in targets.items():
        wide = [day for day in paths if target == "DOUBLE" and types[day].get(name) in {"BIGINT", "UBIGINT"}]
        for day in wide:
            column = identifier(name)
            query = f"SELECT max({column}), min({column}) FROM {parquet([paths[day]])}"
            most, least = connection.execute(query).fetchall()[0]
            if most is not None and max(most, -least) > EXACT:
                raise DataError(
                    f"Column {name!r} of {source} is an integer beyond 2^53 on {day}, and a double on another day.",
                    seen=most,
                    safe="nothing was computed; the published partitions stay.",
                    hint="write it as an integer (nullable where it has gaps) or as text on every day.",
                )


def _alike(days: Sequence[Partition], types: Mapping[Partition, Types]) -> list[list[Partition]]:
    """The days in groups whose files have the same columns and types, so that one scan reads each group."""
    groups: dict[tuple[tuple[str, str], ...], list[Partition]] = {}
    for day in days:
        groups.setdefault(tuple(sorted(types[day].items())), []).append(day)
    return list(groups.values())


def _united(groups: Sequence[tuple[Types, str]], targets: Types) -> str:
    def cast(types: Types) -> str:
        return ", ".join(f"CAST({identifier(name)} AS {targets[name]}) AS {identifier(name)}" for name in types)

    return " UNION ALL BY NAME ".join(f"(SELECT {cast(types)} FROM ({rows}))" for types, rows in groups)


def _load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: str,
    paths: Mapping[Partition, Path],
    types: Mapping[Partition, Types],
) -> None:
    try:
        connection.execute(f"CREATE TABLE {table} AS {rows}")
    except duckdb.Error as error:
        where = next((found for day in paths if (found := culprit(connection, paths[day], types[day]))), "")
        raise DataError(
            f"The raw partitions of {table.partition('.')[2].strip(chr(34))} cannot be read with the row expectations"
            f"{f': {where}' if where else ''}.",
            seen=str(error)[:400],
            safe="the published partitions stay.",
            hint="compare the partition's columns with the model's expectations, or write it again, whole.",
        ) from error
