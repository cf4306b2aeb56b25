"""The features of entity rows: by a search in memory where the views' rows fit there, else by the join in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import duckdb
import pyarrow as pa

from include.backends.feast_entities import Entities
from include.backends.feast_retrieval import Batches, beside
from include.features.batch import batches, spans
from include.features.join import EVENT, Side
from include.features.lookup import VIEW_ROWS, Fetched, Index, count, fetch, index

T = TypeVar("T")
AT = "slipstream_at"  # an entity row's time, microseconds since 1970 UTC
KEY = "slipstream_key_"
THREADS = 2


def retrieve(connection: duckdb.DuckDBPyConnection, sides: Sequence[Side], entities: Entities, rows: int) -> Batches:
    """`rows`: how many entity rows are joined at once."""
    counts = {side: count(connection, side) for side in sides}
    asked = entities.asked
    if asked is not None and asked.num_rows <= rows:
        if max(counts.values(), default=0) <= VIEW_ROWS:
            times = entities.times(connection)
            found = _each(connection, counts, entities, lambda index: index.find(asked, times))
            if found is not None:
                return Batches(connection, iter(()), asked, found)
    elif sum(counts.values()) <= VIEW_ROWS:
        indexes = _each(connection, counts, entities, lambda index: index)
        if indexes is not None:
            return Batches(connection, _found(connection, indexes, entities, rows), asked)
    return Batches(connection, batches(connection, sides, entities.table, entities.columns, rows), asked)


def _each(
    connection: duckdb.DuckDBPyConnection, counts: Mapping[Side, int], entities: Entities, use: Callable[[Index], T]
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
            fetched = fetch(connection, side, entities.table, entities.between)
            if fetched is None:
                return None
            waiting[side] = threads.submit(used, fetched)
        found = [waiting[side].result() for side in counts]
    known = [each for each in found if each is not None]
    return known if len(known) == len(counts) else None


def _found(connection: duckdb.DuckDBPyConnection, indexes: Sequence[Index], entities: Entities, rows: int) -> Iterator[pa.Table]:
    """The entity rows' columns and their features, batch after batch of time; without rows one empty batch."""
    names = sorted({key for each in indexes for key in each.side.keys})
    keys = [f'entity."{name}" AS "{KEY}{name}"' for name in names]
    selected = ", ".join((f"epoch_us(entity.{EVENT}) AS {AT}", *keys, *entities.columns))
    for where in [span.where for span in spans(connection, entities.table, rows)] or ["true"]:
        table = connection.sql(f"SELECT {selected} FROM {entities.table} AS entity WHERE {where}").to_arrow_table()
        asked = table.select([f"{KEY}{name}" for name in names]).rename_columns(names)
        features = [each.find(asked, table[AT].to_numpy()) for each in indexes]
        yield beside(table.drop_columns([AT, *(f"{KEY}{name}" for name in names)]), features)
