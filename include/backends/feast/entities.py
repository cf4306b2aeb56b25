"""Entity rows: what features are asked for, and when. A frame or SQL becomes one table with keys and UTC times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from include.backends.feast.retrieval import ROW
from include.core.errors import DataError
from include.data.sql import quoted
from include.features.offline.as_of_search import Ints
from include.features.offline.parquet import family, utc, zoned
from include.point_in_time.join import EVENT, Side

TABLE = "entity_rows"
NULL = '"NULL"'  # DuckDB's type of a column without any value
ALWAYS = datetime(1970, 1, 1), datetime(1970, 1, 1)  # noqa: DTZ001 - UTC without zone, as all times in the join; no rows, no matter


@dataclass(frozen=True)
class Entities:
    columns: list[str]  # SQL of what the result shows of them
    types: dict[str, str]  # of their columns
    between: tuple[datetime, datetime]  # the first and the last time, UTC
    asked: pa.Table | None  # the frame they came in
    table: str = TABLE

    def times(self, connection: duckdb.DuckDBPyConnection) -> Ints:
        """The rows' times in their order, microseconds since 1970 UTC; of a frame's rows."""
        columns = connection.execute(f"SELECT {ROW}, epoch_us({EVENT}) AS at FROM {self.table}").fetchnumpy()
        times = np.empty(len(columns["at"]), np.int64)
        times[columns[ROW]] = columns["at"]
        return times

    def check(self, connection: duckdb.DuckDBPyConnection, side: Side) -> None:
        """Raises DataError unless the rows have the side's keys, of a kind that compares, and no feature's name."""
        if missing := [key for key in side.keys if key not in self.types]:
            raise _bad(f"The entity rows have no column {missing}, a key of view {side.name!r}", sorted(self.types))
        if taken := [out.name for out in side.features if out.name in self.types]:
            raise _bad(f"The entity rows already have a column {taken}, a feature of view {side.name!r}", sorted(self.types))
        described = connection.execute(f"DESCRIBE SELECT {quoted(*side.keys)} FROM {side.rows}").fetchall() if side.keys else []
        for name, type_, *_ in described:
            if self.types[name] != NULL and family(type_) != family(self.types[name]):
                raise _bad(f"Key {name!r} is {self.types[name]} in the entity rows and {type_} in view {side.name!r}", name)


def load_entities(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame | str | None) -> Entities:
    """The rows as the table `entity_rows`. Raises DataError for rows without a time, or with one that is null or infinite."""
    if isinstance(rows, pd.DataFrame):
        return _of_frame(connection, rows)
    if not isinstance(rows, str):
        raise _bad("Historical features need entity rows: a DataFrame, or DuckDB SQL", type(rows).__name__)
    return _of_sql(connection, rows)


def _of_frame(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> Entities:
    """Only keys and times go through the join; the frame's own columns are put back as they are."""
    time = infer_event_timestamp_from_entity_df(dict(frame.dtypes))
    try:
        asked = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise _bad("A column of the entity rows holds values of several types", str(error)[:300]) from error
    connection.register("frame", asked.append_column(ROW, pa.array(np.arange(asked.num_rows))))
    types = _load(connection, "SELECT * FROM frame", time)
    return Entities([f"entity.{ROW}"], {name: types[name] for name in asked.column_names}, _between(connection), asked)


def _time_column(types: Mapping[str, str]) -> str:
    """The column of the moments that are asked about: by its name, or the only column of times."""
    if EVENT in types:
        return EVENT
    times = [name for name, type_ in types.items() if family(type_) == "time"]
    if len(times) != 1:
        raise _bad(f"The entity rows have no column {EVENT}, and not one other of times", times)
    return times[0]


def _of_sql(connection: duckdb.DuckDBPyConnection, sql: str) -> Entities:
    try:
        described = connection.execute(f"DESCRIBE {sql}").fetchall()
    except duckdb.Error as error:
        raise _bad("The SQL of the entity rows cannot run", str(error)[:400]) from error
    time = _time_column({name: type_ for name, type_, *_ in described})
    types = _load(connection, sql, time)
    moment = f"timezone('UTC', entity.{EVENT})" if zoned(types[time]) else f"entity.{EVENT}"
    shown = {time: f"{moment} AS {quoted(time)}"}
    return Entities([shown.get(name, f'entity."{name}"') for name in types], types, _between(connection), None)


def _load(connection: duckdb.DuckDBPyConnection, sql: str, time: str) -> dict[str, str]:
    """Make the table; the types of the rows' own columns. The SQL runs once, whatever it holds."""
    types = {str(name): str(type_) for name, type_, *_ in connection.execute(f"DESCRIBE {sql}").fetchall()}
    text = family(types[time]) == "text"  # ISO 8601, with or without a zone
    moment = utc(f'"{time}"', "TIMESTAMPTZ" if text else types[time])
    others = quoted(*(name for name in types if name not in (time, EVENT)))
    try:
        connection.execute(
            f"CREATE TEMP TABLE {TABLE} AS SELECT {moment} AS {EVENT}{', ' if others else ''}{others} FROM ({sql})"
        )
    except duckdb.Error as error:
        raise _bad("The entity rows cannot be read", str(error)[:400]) from error
    bad = connection.execute(f"SELECT count(*) FROM {TABLE} WHERE {EVENT} IS NULL OR NOT isfinite({EVENT})").fetchall()[0][0]
    if bad:
        raise _bad(f"{bad} entity rows have no time, or an infinite one: nothing can be said to be known then", time)
    return types


def _between(connection: duckdb.DuckDBPyConnection) -> tuple[datetime, datetime]:
    first, last = connection.execute(f"SELECT min({EVENT}), max({EVENT}) FROM {TABLE}").fetchall()[0]
    return (first, last) if first is not None else ALWAYS


def _bad(said: str, seen: object) -> DataError:
    return DataError(f"{said}.", seen=seen, safe="nothing was computed.", hint="correct the entity rows, and ask again.")
