"""The raw partitions of 2013's flights as hours: each row of a day in the hour that it happened in."""

from __future__ import annotations

import io
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.partition import Cadence
from include.core.storage import Storage
from include.core.time import start_of_day
from include.data.raw import RawPartitions
from include.demo.flights import MODEL

TIMES = {"flights": "sched_dep", "landings": "landed_at", "weather": "observed_at", "planes": None}  # by source: of its rows


def land_hours(days: Storage, hours: Storage, first: date, last: date, cadence: Cadence) -> int:
    """Write the hours of the landed days from one to another, both included, into another storage. Returns how many files."""
    daily, hourly, written = RawPartitions(days, MODEL), RawPartitions(hours, MODEL, cadence=cadence), 0
    for source, time in TIMES.items():
        for day in daily.cadence.between(first, last):
            rows = pq.read_table(io.BytesIO(days.read(daily.path(source, day))))
            times = rows[time] if time else pa.chunked_array([[start_of_day(day.first_date)] * len(rows)], pa.timestamp("us"))
            for hour in cadence.within_days(day.first_date, day.last_date):
                within = pc.and_(pc.greater_equal(times, pa.scalar(hour.start)), pc.less(times, pa.scalar(hour.end)))
                buffer = io.BytesIO()
                pq.write_table(rows.filter(within), buffer, compression="zstd")
                hours.write(hourly.path(source, hour), buffer.getvalue())
                written += 1
    return written
