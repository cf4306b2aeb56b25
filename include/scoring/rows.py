"""The rows of a day that want a score: its entities, each with the features known when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import duckdb
import pyarrow as pa

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.spec import Features
from include.core.task import Task
from include.data.authored import memory
from include.data.session import open_session
from include.data.sql import parquet
from include.point_in_time.computed import finished, sent
from include.point_in_time.known import OF_SET, KnownFiles, checked_version, days_of, known_at, known_files
from include.point_in_time.partition import results
from include.request_features.definition import RequestFeatures

ROWS = 1 << 19  # that are in memory at a time: whole batches of the scorer


def rows_of_day(
    task: Task, features: Features, day: Partition | date, query: str | None = None, wanted: RequestFeatures | None = None
) -> Iterator[pa.Table]:
    """request_id, event_timestamp, keys and every model input, sorted by time and id; of a ranking also the `query`'s column.

    They come in tables of ROWS rows, the last of what is left; of a day without any in one table without rows. One is in memory
    at a time, and DuckDB spills what is beyond its bound (SLIPSTREAM_SQL_MEMORY).

    The inputs named as partitions are the published ones, `set@partition` those of feature sets; of those before `day` come the
    values that still stand. They are found by the same join as the training set's: batch and training cannot differ. `wanted`:
    what the version computes of a row.
    """
    day = Partition.of(day)
    inputs = {name: ref for name, ref in task.request.inputs.items() if name != "train"}
    refs = {name: ref for name, ref in inputs.items() if OF_SET in name or name <= day.name}
    if day.name not in refs:
        raise DataError(
            f"{day} is not published.",
            seen=sorted(days_of(refs)),
            safe="nothing was scored.",
            hint="run the features DAG for the day.",
        )
    days = results(task.ledger, refs)
    path = task.file(day.name, "entities.parquet")
    with open_session(1, memory(), spill=task.workdir / "spill") as connection:
        entities = parquet([path])
        start = _first_asked(connection, entities, day)
        checked_version(features.views, days, start)
        files = known_files(task.ledger, features.views, days, start, task.workdir / "inputs", others=("entities",))
        found = connection.sql(f"{_rows(features, wanted, files, entities, query)} ORDER BY event_timestamp, request_id")
        with found.to_arrow_reader(ROWS) as batches:
            yield from _tables(batches, ROWS)


def _tables(batches: pa.RecordBatchReader, rows: int) -> Iterator[pa.Table]:
    """The same rows, so many a table: DuckDB's own batches end where it likes."""
    held, given = batches.schema.empty_table(), 0
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while len(held) >= rows:
            yield held.slice(0, rows).combine_chunks()
            held, given = held.slice(rows), given + 1
    if len(held) or not given:
        yield held.combine_chunks()


def _first_asked(connection: duckdb.DuckDBPyConnection, entities: str, day: Partition) -> datetime:
    """When the day begins, or earlier: rows of the day's partition may have been asked before it."""
    first = connection.execute(f"SELECT min(event_timestamp) FROM {entities} WHERE isfinite(event_timestamp)").fetchall()[0][0]
    return min(day.start, first) if first else day.start


def _rows(features: Features, wanted: RequestFeatures | None, files: KnownFiles, entities: str, query: str | None) -> str:
    known = {None, *features.keys, *(feature.name for feature in features.inputs)}
    beside = () if query in known else (query,)
    before = ("request_id", "event_timestamp", *features.keys, *beside)
    fields = {feature.name for feature in features.request_fields}
    keys = [f'entity."{name}"' for name in before if name not in fields]
    return finished(known_at(features.views, files, entities, keys, sent(features, wanted)), features, wanted, before)
