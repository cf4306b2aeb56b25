"""The rows of a day that want a score: its entities, each with the features known when it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import duckdb
import pyarrow as pa

from include.core.errors import DataError
from include.core.reference import load
from include.core.spec import Features
from include.core.task import Task
from include.data.sql import parquet

# The training set's own join, by name, since stages never import each other: batch and training cannot differ.
JOIN = "include.features.join"


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
    entities = parquet([task.file(day.isoformat(), "entities.parquet")])
    with duckdb.connect(config={"threads": 1}) as connection:
        query = _query(features, files, entities)
        return connection.sql(f"{query} ORDER BY event_timestamp, request_id").to_arrow_table()


def _query(features: Features, files: Mapping[str, Sequence[str]], entities: str) -> str:
    point_in_time: Callable[..., str] = load(f"{JOIN}:point_in_time")
    value: Callable[..., str] = load(f"{JOIN}:value")
    keys = [f'entity."{name}"' for name in ("request_id", "event_timestamp", *features.keys)]
    own = [value(f'entity."{feature.name}"', feature) for feature in features.request]
    return point_in_time(features.views, files, entities, keys, own)
