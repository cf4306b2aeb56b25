"""Step `features`: a day's feature rows, entity rows and labels from its raw partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from include.core.errors import DataError
from include.core.partition import Cadence, Partition
from include.core.reference import load
from include.core.request import Outcome
from include.core.spec import Features
from include.core.task import Task
from include.core.time import ONE_DAY
from include.data.authored import admitted, bounded
from include.data.raw import RawPartitions
from include.features.offline.dataset import Dataset, of_entities, of_labels, of_view, write
from include.features.offline.sources import open_sources
from include.features.online.pushed import fetch, merged
from include.model_contract.definition import definitions
from include.step_values.features import FeaturesValue

LABEL_COLUMNS = ("request_id", "label_timestamp")


def run(task: Task) -> Outcome:
    """Writes `{view}.parquet` and, of a model, `entities.parquet` and `labels.parquet`; a value of row counts, view versions and
    definitions.

    Params: `day` (with `start`, `end`, `every` and `zone` where it is no day of UTC), `partitions` {source: {day: digest}},
    `features` (the spec's section), `expectations`;
    optional `pushed` {view: [digest]}, `lacked` {source: [day]} of the look-back, `empty_days`; `label_type` and `columns` of the
    entities (include/problems/of.py: rows_of), and their `keys` where feature sets' views have some. The value says what was
    `read` and `lacked`, too.
    Raises DataError for bad input, and for SQL that does not give what the spec says.
    """
    params = task.params
    day, features, cadence = Partition.read(params), Features.model_validate(params["features"]), Cadence.read(params)
    raw = RawPartitions(task.storage, task.request.model, bool(params.get("empty_days")), cadence)
    rows, files = {}, {}
    kept = fetch(task.storage, task.request.model, day, params.get("pushed", {}), task.workdir / "pushed")
    targets = {name: task.workdir / f"{name}.parquet" for name in names(features)}
    ours: list[str | Path] = [*(file for paths in kept.values() for file in paths), *targets.values()]
    with open_sources(raw, params["partitions"], day, params["expectations"], task.workdir / "raw", ours) as connection:
        for dataset, sql in datasets(features, day, connection, kept, params):
            files[f"{dataset.name}.parquet"] = targets[dataset.name]
            rows[dataset.name] = write(connection, dataset, sql, day, targets[dataset.name])
    made = definitions(features)
    value: FeaturesValue = {
        "day": day.name,
        "rows": rows,
        "versions": {name: each.view.version for name, each in made.items()},
        "definitions": {name: each.to_json() for name, each in made.items()},
        "lacked": params.get("lacked", {}),
    }
    return Outcome({**value, **day.fields(), **read_of(params)}, files)


def read_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a value says was read. Of what is finer than a day only the request says it: a look-back has hundreds of them."""
    return {"read": params["partitions"]} if Cadence.read(params).every >= ONE_DAY else {}


def names(features: Features) -> tuple[str, ...]:
    """Of the datasets of a day: the views, and a model's entities and labels, which a feature set has none of."""
    return (*(view.name for view in features.views), *(("entities", "labels") if features.entities else ()))


def datasets(
    features: Features,
    day: Partition | date,
    connection: duckdb.DuckDBPyConnection,
    kept: Mapping[str, Sequence[str]],
    params: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Dataset, str]]:
    """Each dataset with its SQL. Views see the lookback; entities and labels only the day's own partitions.

    `kept`: a view's files of pushed rows. `params`: of the request, which may name the label's type and further columns.
    """
    asked = params or {}
    queries: dict[str, str] = load(features.build)(Partition.of(day).given) if features.views else {}
    missing = [view.name for view in features.views if view.name not in queries]
    if missing:
        what = f"{features.build} gives no SQL for view {missing}."
        raise DataError(what, seen=sorted(queries), hint="add it, or drop the view.")
    connection.execute("USE memory.main")
    for view in features.views:
        sql = admitted(connection, view.name, queries[view.name])
        yield of_view(view), merged(view, sql, kept.get(view.name, ()))
    if not features.entities:
        return
    connection.execute("USE memory.today")
    entities = admitted(connection, "entities", load(features.entities)())
    yield of_entities(features, asked.get("columns"), asked.get("keys")), entities
    labels = admitted(connection, "labels", load(features.labels)())
    yield of_labels(_label(connection, labels), asked.get("label_type", "TINYINT")), labels


def _label(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one column of the labels that is neither the id nor the time."""
    try:
        with bounded(connection, "labels"):
            columns = [name for name in connection.sql(sql).columns if name not in LABEL_COLUMNS]
    except duckdb.Error as error:
        raise DataError("The SQL of 'labels' cannot run on the raw partitions.", seen=str(error)[:600]) from error
    if len(columns) != 1:
        raise DataError("The labels' SQL must give request_id, the label and label_timestamp.", seen=columns)
    return columns[0]
