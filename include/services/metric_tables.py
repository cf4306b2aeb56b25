"""Metrics of experiments that are of tables: an author's SQL over each day's raw partitions, as the features read them.

Rows that break a row expectation are left out, as everywhere. A day counts once it has landed whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from include.core.errors import DataError, NotReadyError
from include.core.partition import Partition
from include.core.reference import load
from include.core.scratch import scratch_folder
from include.core.spec import Metric, ModelSpec
from include.core.storage import Storage
from include.core.time import MICROSECOND, ONE_DAY, utc
from include.data.authored import admitted, bounded
from include.data.raw import RawPartitions
from include.experiments.heard import TableRow
from include.features.offline.sources import open_sources

COLUMNS = ("request_id", "value", "event_timestamp")


@dataclass(frozen=True)
class MetricTables:
    """Of one model."""

    spec: ModelSpec
    storage: Storage
    scratch: Path

    def rows(self, metric: Metric, since: datetime, cutoff: datetime) -> Iterator[TableRow]:
        """Of the days from `since` to `cutoff` (UTC, without zone), both included.

        Raises NotReadyError for a day that has not landed, DataError for SQL that cannot run or gives other columns.
        """
        data = self.spec.data
        first = data.cadence.on(max(since.date(), data.first)) if data.cadence.every >= ONE_DAY else data.cadence.at(since)
        days = [day for day in data.cadence.touching(first.start, cutoff + MICROSECOND) if data.holds(day)]
        raw = RawPartitions.of(self.storage, self.spec)
        missing = [(source, day) for day in days for source in data.sources if not raw.exists(source, day)]
        if missing:
            source, day = missing[0]
            raise NotReadyError(f"The {source} partition of {day} has not landed, and {metric.name} is of it.")
        self.scratch.mkdir(parents=True, exist_ok=True)
        for day in days:
            with scratch_folder(self.scratch) as folder:
                yield from self._day(metric, raw, day, folder)

    def _day(self, metric: Metric, raw: RawPartitions, day: Partition, folder: Path) -> list[TableRow]:
        digests = {source: raw.digests(source, day, day) for source in self.spec.data.sources}
        with open_sources(raw, digests, day, self.spec.expectations, folder) as connection:
            connection.execute("USE memory.today")
            sql = admitted(connection, metric.name, load(metric.table)())
            try:
                with bounded(connection, metric.name):
                    found = connection.sql(f"SELECT {', '.join(COLUMNS)} FROM ({sql})").fetchall()
            except duckdb.Error as error:
                raise DataError(
                    f"The SQL of the metric {metric.name} does not give {', '.join(COLUMNS)} of {day}.", seen=str(error)[:600]
                ) from error
        return [_row(metric, day, *each) for each in found]


def _row(metric: Metric, day: Partition, request: object, value: object, at: object) -> TableRow:
    """Raises DataError for a row that says no moment, or no number."""
    if not isinstance(at, datetime) or isinstance(value, str) or value is None or request is None:
        raise DataError(
            f"A row of the metric {metric.name} of {day} is not a request_id, a number and a timestamp.",
            seen=[request, value, at],
            hint="leave out what is not known yet, and CAST what is text.",
        )
    number = float(value)  # type: ignore[arg-type]  # what DuckDB gives for a number
    return TableRow(str(request), utc(at), number if math.isfinite(number) else math.inf)
