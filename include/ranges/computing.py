"""A day's features from the tables of a stretch: the SQL of the step, its checks and its files, to the same bytes.

What differs from `include.features.features_step:run` is what is not done again for every day: reading and filtering the
look-back, parsing an author's SQL to see what it does, asking for its columns, one query for each thing that must not be. Where
anything is not as it should be the step itself runs, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from include.core.reference import load
from include.core.request import Outcome
from include.core.spec import Features, ModelSpec
from include.core.task import Task
from include.data.authored import admitted, bounded
from include.data.sql import copy

# The module they stand in is part of the key of every result, so that nothing in it is renamed.
from include.features.features_step import _label
from include.features.offline.dataset import Dataset, _cast, _offences, check, of_entities, of_labels, of_view
from include.model_contract.definition import definitions
from include.ranges.stretch import NotPlain, Stretch
from include.step_values.features import FeaturesValue

DAYS = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ALONE = "GROUP BY"  # a question about several rows at once


class Computer:
    """Of one model. What is learnt of its SQL on one day holds on the others."""

    def __init__(self, spec: ModelSpec) -> None:
        self.features = spec.features
        self.names = (*(view.name for view in spec.features.views), "entities", "labels")
        self._made = definitions(spec.features)
        self._known: dict[tuple[object, ...], str] = {}  # SQL that was looked at, by dataset and columns; a label's name

    def compute(self, task: Task, stretch: Stretch) -> Outcome:
        """The outcome of the step. Raises NotPlain where the step itself is to make it."""
        params = task.params
        if params.get("pushed") or Features.model_validate(params["features"]) != self.features:
            raise NotPlain
        day = date.fromisoformat(params["day"])
        stretch.place(day, params["partitions"])
        columns = tuple((name, tuple(source.types.items())) for name, source in stretch.sources.items())
        rows, files = {}, {}
        for dataset, sql in self._datasets(day, stretch.connection, columns, params):
            path = stretch.folder(day) / f"{dataset.name}.parquet"
            rows[dataset.name] = self._write(stretch.connection, dataset, sql, day, path, columns)
            files[path.name] = path
        value: FeaturesValue = {
            "day": day.isoformat(),
            "rows": rows,
            "versions": {name: each.view.version for name, each in self._made.items()},
            "definitions": {name: each.to_json() for name, each in self._made.items()},
            "read": params["partitions"],
            "lacked": params.get("lacked", {}),
        }
        return Outcome(value, files)

    def _datasets(
        self, day: date, connection: duckdb.DuckDBPyConnection, columns: tuple[object, ...], params: Mapping[str, Any]
    ) -> Iterator[tuple[Dataset, str]]:
        """As the step's `datasets`. SQL that differs from a known one in its day alone does the same."""
        queries: dict[str, str] = load(self.features.build)(day)
        if any(view.name not in queries for view in self.features.views):
            raise NotPlain
        connection.execute("USE memory.main")
        for view in self.features.views:
            yield of_view(view), self._admitted(connection, view.name, queries[view.name], columns)
        connection.execute("USE memory.today")
        entities = self._admitted(connection, "entities", load(self.features.entities)(), columns)
        yield of_entities(self.features, params.get("columns")), entities
        labels = self._admitted(connection, "labels", load(self.features.labels)(), columns)
        key = "label", labels, columns
        if key not in self._known:
            self._known[key] = _label(connection, labels)
        yield of_labels(self._known[key], params.get("label_type", "TINYINT")), labels

    def _admitted(self, connection: duckdb.DuckDBPyConnection, name: str, sql: str, columns: tuple[object, ...]) -> str:
        key = "admitted", name, _template(sql), columns
        if key not in self._known:
            self._known[key] = admitted(connection, name, sql)
        return sql

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        dataset: Dataset,
        sql: str,
        day: date,
        path: Path,
        columns: tuple[object, ...],
    ) -> int:
        """As the step's `write`. The columns of SQL that differs in its day alone are those that were checked."""
        key = "checked", dataset.name, _template(sql), columns
        if key in self._known:
            casts = ", ".join(_cast(name, type_) for name, type_ in dataset.columns.items())
            with bounded(connection, dataset.name):
                connection.execute(f"CREATE OR REPLACE TEMP TABLE _result AS SELECT {casts} FROM ({sql}) ORDER BY ALL")
        else:
            check(connection, dataset, sql, day)
            self._known[key] = ""
        count, offended = connection.execute(_questions(dataset, day)).fetchall()[0]
        if offended:
            raise NotPlain
        connection.execute(copy("FROM temp._result", path))
        return int(count)


def _template(sql: str) -> str:
    """A day is digits and dashes wherever it stands: another one in its place leaves the query's form as it is."""
    return DAYS.sub("0000-00-00", sql)


def _questions(dataset: Dataset, day: date) -> str:
    """One query for all that must not be: the rows, and whether any offends."""
    asked = [sql for _, sql in _offences(dataset, day)]
    single = [f"({sql.partition(' WHERE ')[2]})" for sql in asked if ALONE not in sql]
    others = [f"EXISTS ({sql})" for sql in asked if ALONE in sql]
    rows = f"(SELECT count(*) FROM temp._result WHERE {' OR '.join(single)}) > 0"
    return f"SELECT (SELECT count(*) FROM temp._result), {' OR '.join([rows, *others])}"
