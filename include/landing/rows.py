"""A warehouse's files as days: of one schema, each row on its day, and in an order that says nothing of how they were written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from include.core.errors import DataError
from include.core.partition import Partition
from include.data.raw import check_names, check_readable
from include.data.session import open_session
from include.data.sql import copy, identifier, literal, parquet

SHOWN = 5


@dataclass(frozen=True)
class Days:
    """The days that were asked for, the column that tells them apart (empty: there is none), and whether one may have no rows."""

    days: tuple[Partition, ...]
    column: str
    may_be_empty: bool

    @property
    def are_days(self) -> bool:
        return Partition.of(self.days[0]).is_day


def split(
    files: Sequence[Path], asked: Days, folder: Path, what: str, like: Path | None = None
) -> Mapping[Partition, tuple[Path, int]]:
    """A file for each day, and its rows. Rows are put in one order, by all their columns: the same rows give the same bytes.

    `like`: another day's partition, whose columns days without rows have where there is no file at all.

    Raises DataError for files that cannot be read or differ in their columns, for rows of other days or of none, and for days
    without rows unless they may be.
    """
    read = list(files) or ([like] if like else [])
    if not read:
        raise _no_rows(asked.days, what, "the warehouse wrote no file, and no landed day tells the columns of an empty one")
    _require_one_schema(files, what)
    folder.mkdir(parents=True, exist_ok=True)
    with open_session(threads=1, spill=folder / "spill") as session:
        none = "" if files else " WHERE false"
        session.execute(f"CREATE VIEW landed AS SELECT * FROM {parquet(read)}{none}")
        counts = _counted(session, asked, what)
        lacking = [day for day in asked.days if not counts.get(day)]
        if lacking and not asked.may_be_empty:
            raise _no_rows(lacking, what, "the warehouse has no rows of it")
        return {day: (_write(session, asked, day, folder), counts.get(day, 0)) for day in asked.days}


def _no_rows(days: Sequence[Partition], what: str, why: str) -> DataError:
    more = f" and {len(days) - SHOWN} more days" if len(days) > SHOWN else ""
    return DataError(
        f"{', '.join(map(str, days[:SHOWN]))}{more} has no rows: {why} ({what}).",
        safe="nothing was landed; partitions that are there stay.",
        hint="once the warehouse has the rows, clear the task: it asks anew. Where a day may have none, the spec says so: "
        "data.empty_days, and one day with rows is landed first.",
    )


def _require_one_schema(files: Sequence[Path], what: str) -> None:
    first = None
    for path in files:
        try:
            schema = pq.read_schema(path)
        except (ArrowException, OSError, ValueError) as error:
            raise DataError(f"A file of {what} is not whole Parquet.", seen=str(error)[:200], hint="clear the task.") from error
        check_names(schema.names, f"A file of {what}")
        if pq.read_metadata(path).num_rows:
            check_readable(path, f"A file of {what}")
        columns = [str(field).replace(" not null", "") for field in schema]  # which says of a file only that it has no gaps
        first = first or columns
        if columns != first:
            raise DataError(
                f"The files of {what} do not have the same columns.",
                seen=sorted(set(columns) ^ set(first))[: 2 * SHOWN],
                safe="nothing was landed.",
                hint="name each column in the query and cast it to one type, then clear the task.",
            )


def _counted(session: duckdb.DuckDBPyConnection, asked: Days, what: str) -> dict[Partition, int]:
    """Rows by day."""
    if not asked.column:
        return {asked.days[0]: session.execute("SELECT count(*) FROM landed").fetchall()[0][0]}
    try:
        rows = session.execute(f"SELECT {_place(asked)} AS day, count(*) FROM landed GROUP BY 1 ORDER BY 1").fetchall()
    except duckdb.Error as error:
        raise DataError(
            f"The days of {what} cannot be told apart by the column {asked.column!r}.",
            seen=str(error).splitlines()[0][:200],
            safe="nothing was landed.",
            hint="data.warehouse: day_column is a column of the query, of dates, times, or texts such as 2013-05-27.",
        ) from error
    counts = dict(rows) if asked.are_days else _of_partitions(asked, rows)
    strange = [day for day in counts if day not in asked.days]
    if strange:
        raise DataError(
            f"{what[:1].upper()}{what[1:]} gave {sum(counts[day] for day in strange):,} rows of days that were not asked for.",
            seen=["none" if day is None else str(day) for day in strange[:SHOWN]],
            safe="nothing was landed.",
            hint=f"bound {asked.column} in the query by {{first}} and {{after}} (UTC, half open), and leave out rows without it.",
        )
    return counts


def _of_partitions(asked: Days, rows: Sequence[tuple[datetime | None, int]]) -> dict[Any, int]:
    """Rows by partition, from those by minute; of a minute in none of them by that minute."""
    starts = [day.start for day in asked.days]
    counts: dict[Any, int] = {}
    for minute, count in rows:
        place = -1 if minute is None else bisect_right(starts, minute) - 1
        inside = place >= 0 and minute is not None and minute < asked.days[place].end
        day = asked.days[place] if inside else minute
        counts[day] = counts.get(day, 0) + count
    return counts


def _place(asked: Days) -> str:
    """What tells the days apart: the day, or of partitions of another length, which begin with a minute, the minute."""
    column = identifier(asked.column)
    return f"CAST({column} AS DATE)" if asked.are_days else f"date_trunc('minute', CAST({column} AS TIMESTAMP))"


def _write(session: duckdb.DuckDBPyConnection, asked: Days, day: Partition, folder: Path) -> Path:
    path = folder / f"{day}.parquet"
    session.execute(copy(f"SELECT * FROM landed{_within(asked, Partition.of(day))} ORDER BY ALL", path))
    return path


def _within(asked: Days, day: Partition) -> str:
    if not asked.column:
        return ""
    if asked.are_days:
        return f" WHERE {_place(asked)} = {literal(day.start.date())}"
    time = f"CAST({identifier(asked.column)} AS TIMESTAMP)"
    return f" WHERE {time} >= TIMESTAMP '{day.start}' AND {time} < TIMESTAMP '{day.end}'"
