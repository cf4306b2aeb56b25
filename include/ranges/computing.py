"""A day's features from the tables of a stretch: the SQL of the step, its checks and its files, to the same bytes.

What differs from `include.features.features_step:run` is what is not done again for every day: reading and filtering the
look-back, parsing an author's SQL to see what it does, asking for its columns, one query for each thing that must not be. Where
anything is not as it should be the step itself runs, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.reference import load
from include.core.request import Outcome
from include.core.spec import Features, PartitionOwner
from include.core.task import Task
from include.data.authored import admitted, bounded
from include.data.sql import copy, identifier, quoted

# The module they stand in is part of the key of every result, so that nothing in it is renamed.
from include.features.features_step import _label, names, read_of
from include.features.offline.dataset import KEY, VECTOR, Dataset, _cast, _offences, check, of_entities, of_labels, of_view
from include.model_contract.definition import definitions
from include.ranges.stretch import NotPlain, Stretch
from include.step_values.features import FeaturesValue

TIMES = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\d{4}-W\d{2}", re.ASCII)
ALONE = "GROUP BY"  # the question about several rows at once: whether a key comes twice


class Computer:
    """Of one model. What is learnt of its SQL on one day holds on the others."""

    def __init__(self, spec: PartitionOwner) -> None:
        self.features = spec.features.computed.stored
        self.names = names(self.features)
        self._made = definitions(self.features)
        self._stopped = False  # whether a day's SQL ran longer, or took more memory, than a dataset's may
        self._known: dict[tuple[object, ...], str] = {}  # of SQL by dataset and columns: what was learnt

    def compute(self, task: Task, stretch: Stretch) -> Outcome:
        """The outcome of the step. Raises NotPlain where the step itself is to make it."""
        params = task.params
        if params.get("pushed") or Features.model_validate(params["features"]) != self.features:
            raise NotPlain
        day = Partition.read(params)
        asked = _Asked.of(self.features, day)
        stretch.place(day, params["partitions"], asked.reads(params["partitions"]))
        rows, files = self._write_all(asked, day, stretch, params)
        value: FeaturesValue = {
            "day": day.name,
            "rows": rows,
            "versions": {name: each.view.version for name, each in self._made.items()},
            "definitions": {name: each.to_json() for name, each in self._made.items()},
            "lacked": params.get("lacked", {}),
        }
        return Outcome({**value, **day.fields(), **read_of(params)}, files)

    def _write_all(
        self, asked: _Asked, day: Partition, stretch: Stretch, params: Mapping[str, Any]
    ) -> tuple[dict[str, int], dict[str, Path]]:
        """Rows and files by dataset. All of the day is held to what one dataset may take: the step has more."""
        columns = tuple((name, tuple(source.types.items())) for name, source in stretch.sources.items())
        rows, files = {}, {}
        with self._held(stretch.connection):
            for dataset, sql in self._datasets(asked, stretch.connection, columns, params):
                path = stretch.folder(day) / f"{dataset.name}.parquet"
                rows[dataset.name] = self._write(stretch.connection, dataset, sql, day, path, columns)
                files[path.name] = path
        return rows, files

    @contextmanager
    def _held(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Once a day was stopped, the next ones are not tried: each would take its time in vain."""
        if self._stopped:
            raise NotPlain
        try:
            with bounded(connection, "a day's datasets"):
                yield
        except DataError as error:
            self._stopped = isinstance(error.__cause__, duckdb.InterruptException | duckdb.OutOfMemoryException | MemoryError)
            raise

    def _datasets(
        self,
        asked: _Asked,
        connection: duckdb.DuckDBPyConnection,
        columns: tuple[object, ...],
        params: Mapping[str, Any],
    ) -> Iterator[tuple[Dataset, str]]:
        """As the step's `datasets`. SQL that differs from a known one in its day alone does the same."""
        connection.execute("USE memory.main")
        for view in self.features.views:
            yield of_view(view), self._admitted(connection, view.name, asked.views[view.name], columns)
        if not self.features.entities:
            return
        connection.execute("USE memory.today")
        entities = self._admitted(connection, "entities", asked.entities, columns)
        yield of_entities(self.features, params.get("columns"), params.get("keys")), entities
        labels = self._admitted(connection, "labels", asked.labels, columns)
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
        day: Partition,
        path: Path,
        columns: tuple[object, ...],
    ) -> int:
        """As the step's `write`. The columns of SQL that differs in its day alone are those that were checked."""
        key = "checked", dataset.name, _template(sql), columns
        if key in self._known:
            given = f"SELECT {self._known[key]} FROM ({sql}) ORDER BY ALL"
            connection.execute(f"CREATE OR REPLACE TEMP TABLE _result AS {given}")
        else:
            check(connection, dataset, sql, day)
            self._known[key] = _selected(dataset, connection.sql(sql))
        count, twice, wrong = connection.execute(_questions(dataset, day)).fetchall()[0]
        if wrong or twice > 1:
            raise NotPlain
        connection.execute(copy("FROM temp._result", path))
        return int(count)


@dataclass(frozen=True)
class _Asked:
    """The SQL of one day."""

    views: Mapping[str, str]
    entities: str
    labels: str

    @classmethod
    def of(cls, features: Features, day: Partition) -> _Asked:
        queries: dict[str, str] = load(features.build)(day.given) if features.views else {}
        if any(view.name not in queries for view in features.views):
            raise NotPlain
        views = {view.name: queries[view.name] for view in features.views}
        if not features.entities:
            return cls(views, "", "")
        return cls(views, load(features.entities)(), load(features.labels)())

    def reads(self, sources: Iterable[str]) -> set[tuple[str, str]]:
        """The tables (schema, source) that some of the SQL may read, rather one too many: SQL holds the names of what it reads.

        Views read `main` where they name no schema; entities and labels read `today`.
        """
        views, others = "\n".join(self.views.values()).lower(), f"{self.entities}\n{self.labels}".lower()
        named = re.findall(r"\btoday\.(\w+)", views)
        plainly = len(named) == views.count("today")  # else its name stands in quotes, is an alias, or in a comment
        found = set[tuple[str, str]]()
        for source in sources:
            name = source.lower()
            if re.search(rf"(?<!\btoday\.){re.escape(name)}", views) or ("main" in others and name in others):
                found.add(("main", source))
            if name in (named if plainly else views) or name in others:
                found.add(("today", source))
        return found


def _template(sql: str) -> str:
    """A time is digits and dashes wherever it stands: another one in its place leaves the query's form as it is."""
    return TIMES.sub("0000-00-00", sql)


def _selected(dataset: Dataset, relation: duckdb.DuckDBPyRelation) -> str:
    """As the step's casts, without those that leave a column as it is: DuckDB would look at each of them every day."""
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return ", ".join(_column(name, type_, types[name]) for name, type_ in dataset.columns.items())


def _column(name: str, wanted: str, seen: str) -> str:
    same = seen == ("VARCHAR" if wanted == KEY else wanted) and not wanted.startswith(VECTOR)
    return identifier(name) if same else _cast(name, wanted)


def _questions(dataset: Dataset, day: Partition) -> str:
    """One query for all that must not be: the rows, the most of them with one key, whether any is wrong by itself."""
    asked = [sql for _, sql in _offences(dataset, day)]
    wrong = " OR ".join(f"({sql.partition(' WHERE ')[2]})" for sql in asked if ALONE not in sql)
    keys = f"SELECT count(*) AS n, bool_or({wrong}) AS wrong FROM temp._result GROUP BY {quoted(*dataset.unique)}"
    return f"SELECT coalesce(sum(n), 0), coalesce(max(n), 0), bool_or(wrong) FROM ({keys})"
