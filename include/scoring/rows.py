"""The rows of a day that want a score: its entities, each with the features known when it asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import duckdb
import pyarrow as pa

from include.core.errors import DataError
from include.core.reference import load
from include.core.spec import Features
from include.core.task import Task

# The training set's own join, by name, since stages never import each other: batch and training cannot differ.
POINT_IN_TIME = "include.features.join:point_in_time"
NO_LABEL = "no_label"


def rows_of_day(task: Task, features: Features, day: date) -> pa.Table:
    """request_id, event_timestamp, keys and every model input, sorted by time and id.

    The inputs named `YYYY-MM-DD` are the published days; those before `day` feed its first hours.
    """
    days = sorted(name for name in task.request.inputs if name != "train" and name <= day.isoformat())
    if day.isoformat() not in days:
        raise DataError(
            f"{day} is not published.", seen=days, safe="nothing was scored.", hint="run the features DAG for the day."
        )
    files = {view.name: [str(task.file(one, f"{view.name}.parquet")) for one in days] for view in features.views}
    entities = str(task.file(day.isoformat(), "entities.parquet"))
    join: Callable[..., str] = load(POINT_IN_TIME)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"CREATE TABLE asked AS SELECT *, NULL::TINYINT AS {NO_LABEL}, false AS held_out FROM read_parquet(?)", [[entities]]
        )
        query = join(features, files, NO_LABEL, entities="asked")
        sql = f"SELECT * EXCLUDE ({NO_LABEL}, held_out) FROM ({query}) ORDER BY event_timestamp, request_id"
        return connection.sql(sql).to_arrow_table()
