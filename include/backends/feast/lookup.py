"""The features of entity rows: by a search in memory where a batch's view rows fit there, else by the join in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from include.backends.feast.entities import Entities
from include.backends.feast.retrieval import Batches, beside
from include.features.offline.as_of_search import Fetched, Index, Ints, Range, count, fetch, index
from include.features.offline.batch import Step, spans, steps
from include.point_in_time.join import EVENT, Side, join

T = TypeVar("T")
AT = "slipstream_at"  # an entity row's time, microseconds since 1970 UTC
KEY = "slipstream_key_"
THREADS = 2
VIEW_ROWS = 2_000_000  # held at once: some hundred MB


def retrieve(connection: duckdb.DuckDBPyConnection, sides: Sequence[Side], entities: Entities, rows: int) -> Batches:
    """`rows`: how many entity rows are joined at once."""
    counts, asked = {side: count(connection, side) for side in sides}, entities.asked
    if asked is not None and asked.num_rows <= rows:
        if max(counts.values(), default=0) <= VIEW_ROWS:
            times = entities.times(connection)
            found = _each(connection, counts, _columns(asked), entities.between, lambda held: held.find(asked, times))
            if found is not None:
                return Batches(connection, iter(()), asked, found)
    elif sum(counts.values()) <= VIEW_ROWS:
        keys = {name: _distinct(connection, entities, name) for name in _keys(sides)}
        indexes = _each(connection, counts, keys, entities.between, lambda held: held)
        if indexes is not None:
            return Batches(connection, _held(connection, indexes, entities, rows), asked)
    return Batches(connection, _stepwise(connection, sides, entities, rows), asked)


def _held(connection: duckdb.DuckDBPyConnection, indexes: Sequence[Index], entities: Entities, rows: int) -> Iterator[pa.Table]:
    """Every batch of entity rows is searched for in the same indexes."""
    for where in [span.where for span in spans(connection, entities.table, rows)] or ["true"]:
        within = f"(SELECT * FROM {entities.table} WHERE {where})"
        asked = _asked(connection, within, entities, [each.side for each in indexes])
        yield beside(asked.rows, [each.find(asked.keys, asked.times) for each in indexes])


def _stepwise(
    connection: duckdb.DuckDBPyConnection, sides: Sequence[Side], entities: Entities, rows: int
) -> Iterator[str | pa.Table]:
    """Each batch has view rows of its own. Once one cannot be searched for, the rest goes through the join."""
    searching = True
    for step in steps(connection, sides, entities.table, rows):
        table = _searched(connection, step, entities) if searching else None
        searching = table is not None
        yield join(step.sides, step.within, entities.columns) if table is None else table


def _searched(connection: duckdb.DuckDBPyConnection, step: Step, entities: Entities) -> pa.Table | None:
    if step.span is None:
        return None
    counts = {side: count(connection, side) for side in step.sides}
    if sum(counts.values()) > VIEW_ROWS:
        return None
    asked = _asked(connection, step.within, entities, step.sides)
    between = step.span.first, step.span.end
    found = _each(connection, counts, _columns(asked.keys), between, lambda held: held.find(asked.keys, asked.times))
    return None if found is None else beside(asked.rows, found)


def _each(
    connection: duckdb.DuckDBPyConnection,
    counts: Mapping[Side, int],
    keys: Mapping[str, pa.ChunkedArray],
    between: Range,
    use: Callable[[Index], T],
) -> list[T] | None:
    """What `use` makes of each side's index; None if one side has none.

    The largest is read first: while it is sorted the next is read.
    """

    def used(fetched: Fetched) -> T | None:
        held = index(fetched)
        return None if held is None else use(held)

    with ThreadPoolExecutor(THREADS) as threads:
        waiting: dict[Side, Future[T | None]] = {}
        for side in sorted(counts, key=lambda side: counts[side], reverse=True):
            fetched = fetch(connection, side, keys, between)
            if fetched is None:
                return None
            waiting[side] = threads.submit(used, fetched)
        found = [waiting[side].result() for side in counts]
    known = [each for each in found if each is not None]
    return known if len(known) == len(counts) else None


# -- entity rows -------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """Entity rows of a batch."""

    rows: pa.Table  # what the result shows of them
    keys: pa.Table
    times: Ints


def _asked(connection: duckdb.DuckDBPyConnection, within: str, entities: Entities, sides: Sequence[Side]) -> Asked:
    names = _keys(sides)
    keys = [f'entity."{name}" AS "{KEY}{name}"' for name in names]
    selected = ", ".join((f"epoch_us(entity.{EVENT}) AS {AT}", *keys, *entities.columns))
    table = connection.sql(f"SELECT {selected} FROM {within} AS entity").to_arrow_table()
    shown = table.select(table.column_names[1 + len(names) :])
    return Asked(shown, table.select([f"{KEY}{name}" for name in names]).rename_columns(names), table[AT].to_numpy())


def _keys(sides: Sequence[Side]) -> list[str]:
    return sorted({key for side in sides for key in side.keys})


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _distinct(connection: duckdb.DuckDBPyConnection, entities: Entities, name: str) -> pa.ChunkedArray:
    return connection.sql(f'SELECT DISTINCT "{name}" FROM {entities.table}').to_arrow_table().column(0)
