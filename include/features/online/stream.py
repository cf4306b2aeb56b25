"""Feature rows as they become known: the SQL of the partitions, evaluated for a stream of pushes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from include.core.partition import Partition
from include.core.reference import load
from include.core.spec import PartitionOwner, View
from include.data.authored import admitted
from include.data.raw import RawPartitions
from include.features.offline.dataset import check, of_view
from include.features.offline.sources import open_sources


def stream_rows(
    spec: PartitionOwner, raw: RawPartitions, first: Partition | date, last: Partition | date
) -> Iterator[tuple[datetime, View, pa.Table]]:
    """(event time, view, its rows of that moment) from `first` to `last`, both included, in event order.

    The nightly partition holds the same values, so an online store that was pushed these rows does not change
    when the day is materialized. Raises DataError as the `features` step does.
    """
    for day in spec.data.cadence.between(first, last):
        with TemporaryDirectory() as scratch, _open(spec, raw, day, Path(scratch)) as connection:
            connection.execute("USE memory.main")
            queries: dict[str, str] = load(spec.features.build)(day.given) if spec.features.own else {}
            moments = [list(_moments(connection, view, queries[view.name], day)) for view in spec.features.own]
        yield from heapq.merge(*moments, key=lambda moment: moment[0])


def _open(
    spec: PartitionOwner, raw: RawPartitions, day: Partition, scratch: Path
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    since, raw = spec.data.lookback(day)[0], replace(raw, cadence=spec.data.cadence, empty_days=spec.data.empty_days)
    partitions = {source: raw.digests(source, since, day) for source in spec.data.sources}
    return open_sources(raw, partitions, day, spec.expectations, scratch)


def _moments(
    connection: duckdb.DuckDBPyConnection, view: View, sql: str, day: Partition
) -> Iterator[tuple[datetime, View, pa.Table]]:
    check(connection, of_view(view), admitted(connection, view.name, sql), day)
    table = connection.sql("SELECT * FROM temp._result ORDER BY event_timestamp").to_arrow_table()
    times, start = table["event_timestamp"].to_pylist(), 0
    for end in range(1, len(times) + 1):
        if end == len(times) or times[end] != times[start]:
            yield times[start], view, table.slice(start, end - start)
            start = end
