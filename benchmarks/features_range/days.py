"""The raw partitions of 2013, and once more shifted by 52 weeks, as often as they are needed.

The weekdays stay what they are. The last day of 2013 is left out: its weather is missing, so that it has no features.
"""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.demo.flights import MODEL, SOURCES, land

FIRST, YEAR = date(2013, 1, 1), 52 * 7


def last_of(days: int) -> date:
    return FIRST + timedelta(days=days - 1)


def land_days(root: Path, days: int) -> None:
    """So many days from the first of 2013 on, each with the rows of its day of 2013 and its own times."""
    raw = RawPartitions(Unsynced(root), MODEL)
    land(raw.storage, FIRST, last_of(min(days, YEAR)))
    for number in range(YEAR, days):
        day, shift = FIRST + timedelta(days=number), timedelta(days=number // YEAR * YEAR)
        for source in SOURCES:
            rows = pq.read_table(io.BytesIO(raw.storage.read(raw.path(source, day - shift))))
            buffer = io.BytesIO()
            pq.write_table(_shifted(rows, shift), buffer, compression="zstd")
            raw.storage.write(raw.path(source, day), buffer.getvalue())


def _shifted(rows: pa.Table, shift: timedelta) -> pa.Table:
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            rows = rows.set_column(
                place, field, pc.add(rows[field.name], pa.scalar(shift, pa.duration(field.type.unit))).cast(field.type)
            )
    return rows


class Unsynced(LocalStorage):
    """Landing is not what is measured: nothing waits for the disk."""

    def write(self, path: str, data: bytes) -> None:
        full = Path(self.root) / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
