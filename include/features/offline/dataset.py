"""The datasets a day's features consist of: their columns, and what must hold for their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from include.core.errors import DataError
from include.core.partition import Partition
from include.core.scratch import is_full
from include.core.spec import Feature, Features, View
from include.core.spec.dtypes import TEXT_BYTES, length_of
from include.data.authored import bounded
from include.data.sql import copy, quoted
from include.data.sql_types import INTEGERS, key_text, sql_type

KEY = "KEY"  # of a column that says which entity a row is of: text, or what becomes text
VECTOR = "FLOAT["  # begins the type of a vector, FLOAT[64]
_TIMES = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}


@dataclass(frozen=True)
class Dataset:
    """A file of the `features` step: its columns with their SQL types ("" = as it comes), and its row key."""

    name: str
    columns: dict[str, str]
    unique: tuple[str, ...]
    time: str  # the column that says when the row became known
    one_day: bool = False  # all its times lie within the partition
    event: str = ""  # where that is another: the column of the event, never after `time`
    finite: tuple[str, ...] = ()  # columns where even NaN is no value
    texts: tuple[str, ...] = ()  # columns whose texts have a largest size


def of_view(view: View) -> Dataset:
    """A partition holds what became known in it: late rows are of the one in which they arrived."""
    columns = {**dict.fromkeys(view.keys, KEY), "event_timestamp": "TIMESTAMP", **_types(view.features)}
    unique = (*view.keys, "event_timestamp")
    if not view.created:
        return Dataset(view.name, columns, unique, "event_timestamp", one_day=True, texts=_texts(view.features))
    columns[view.created] = "TIMESTAMP"
    unique = (*unique, view.created)
    return Dataset(
        view.name, columns, unique, view.created, one_day=True, event="event_timestamp", texts=_texts(view.features)
    )  # fmt: skip


def of_entities(features: Features, further: Mapping[str, str] | None = None, keys: Sequence[str] | None = None) -> Dataset:
    """`further`: columns that the problem reads beside keys and features, with their types. `keys`: all that the model's views
    have, those of feature sets included; by default those of the given views."""
    named = dict.fromkeys(features.keys if keys is None else keys, KEY)
    columns = {"request_id": "VARCHAR", "event_timestamp": "TIMESTAMP", **named, **_types(features.sent)}
    further = further or {}
    return Dataset("entities", {**columns, **further}, ("request_id",), "event_timestamp", texts=_texts(features.sent))


def of_labels(label: str, sql_type: str = "TINYINT") -> Dataset:
    """`sql_type`: of the label, as its problem says: TINYINT, DOUBLE, or VARCHAR, which whole numbers become."""
    columns = {"request_id": "VARCHAR", label: KEY if sql_type == "VARCHAR" else sql_type, "label_timestamp": "TIMESTAMP"}
    return Dataset("labels", columns, ("request_id",), "label_timestamp", finite=(label,) if sql_type == "DOUBLE" else ())


def _types(features: tuple[Feature, ...]) -> dict[str, str]:
    """A vector with its length, which its SQL type has not."""
    lengths = {feature.name: length_of(feature.dtype) for feature in features}
    return {f.name: f"FLOAT[{lengths[f.name]}]" if lengths[f.name] else sql_type(f.dtype) for f in features}


def _texts(features: tuple[Feature, ...]) -> tuple[str, ...]:
    return tuple(feature.name for feature in features if feature.dtype == "text")


def write(connection: duckdb.DuckDBPyConnection, dataset: Dataset, sql: str, day: Partition | date, path: Path) -> int:
    """Run the SQL, check the rows, write them sorted as Parquet. Returns their number; raises DataError."""
    check(connection, dataset, sql, day)
    connection.execute(copy("FROM temp._result", path))
    return int(connection.execute("SELECT count(*) FROM temp._result").fetchall()[0][0])


def check(connection: duckdb.DuckDBPyConnection, dataset: Dataset, sql: str, day: Partition | date) -> None:
    """Run the SQL into `temp._result`, with the dataset's columns and types. Raises DataError."""
    try:
        with bounded(connection, dataset.name):
            relation = connection.sql(sql)
            _check_distinct(dataset, relation.columns)
            _check_columns(dataset, dict(zip(relation.columns, map(str, relation.types), strict=True)))
            casts = ", ".join(_cast(name, type_) for name, type_ in dataset.columns.items())
            connection.execute(f"CREATE OR REPLACE TEMP TABLE _result AS SELECT {casts} FROM ({sql}) ORDER BY ALL")
    except duckdb.Error as error:
        if is_full(error):
            raise
        raise DataError(
            f"The SQL of {dataset.name!r} cannot run on the raw partitions of {day}.",
            seen=str(error)[:600],
            safe="nothing was published.",
            hint="compare the columns of the raw partitions with the model's SQL.",
        ) from error
    _check_rows(connection, dataset, day)


def _check_distinct(dataset: Dataset, columns: list[str]) -> None:
    twice = [name for name, count in Counter(map(str.lower, columns)).items() if count > 1]
    if twice:
        raise DataError(
            f"The SQL of {dataset.name!r} gives a column more than once, case aside: {twice}.",
            seen=columns,
            safe="nothing was published.",
            hint="name each column once: DuckDB takes `price` and `Price` for the same, and would give either.",
        )


def _check_columns(dataset: Dataset, seen: dict[str, str]) -> None:
    problems = [f"column {name!r} is missing" for name in dataset.columns if name not in seen]
    problems += [f"column {name!r} is not in the spec" for name in seen if name not in dataset.columns]
    problems += [
        f"column {name!r} is {seen[name]}, expected {'text or whole numbers' if type_ == KEY else type_}"
        for name, type_ in dataset.columns.items()
        if name in seen and not _fits(seen[name], type_)
    ]
    if problems:
        raise DataError(
            f"The SQL of {dataset.name!r} does not give what the spec says: {'; '.join(problems)}.",
            seen=seen,
            safe="nothing was published.",
            hint="make the model's SQL and the spec's names and dtypes agree; a label's type is that of the spec's `problem`.",
        )


def _cast(name: str, type_: str) -> str:
    if type_ == KEY:
        return f'{key_text(name)} AS "{name}"'
    if type_.startswith(VECTOR):
        return f'"{name}"::FLOAT[] AS "{name}"'
    return f'"{name}"::{type_} AS "{name}"' if type_ else f'"{name}"'


def _fits(seen: str, expected: str) -> bool:
    """Whether a cast changes no meaning: an integer may become DOUBLE, a text never a number."""
    number = _is_number(seen)
    if expected.startswith(VECTOR):
        inner, _, length = seen.rpartition("[")
        return seen == '"NULL"' or (_is_number(inner) and length in ("]", expected[len(VECTOR) :]))
    return {
        "": True,
        KEY: (number and seen != "BOOLEAN") or seen in {"VARCHAR", "UUID", "UHUGEINT", '"NULL"'} or seen.startswith("ENUM"),
        "VARCHAR": seen in {"VARCHAR"} or seen.startswith("ENUM"),
        "DOUBLE": number,
        "BIGINT": seen in INTEGERS,
        "BOOLEAN": seen == "BOOLEAN",
        "TINYINT": seen in INTEGERS,
        "TIMESTAMP": seen in _TIMES,
    }[expected]


def _is_number(seen: str) -> bool:
    return seen in INTEGERS or seen in {"DOUBLE", "FLOAT"} or seen.startswith("DECIMAL")


def _check_rows(connection: duckdb.DuckDBPyConnection, dataset: Dataset, day: Partition | date) -> None:
    for what, sql in _offences(dataset, day):
        rows = connection.execute(f"{sql} LIMIT 3").fetchall()
        if rows:
            raise DataError(
                f"{dataset.name!r} of {day}: {what}.",
                seen=[tuple(map(str, row)) for row in rows],
                safe="nothing was published.",
                hint="correct the model's SQL, or quarantine such rows by an expectation.",
            )


def _offences(dataset: Dataset, day: Partition | date) -> Iterator[tuple[str, str]]:
    """(what is wrong, SQL that finds such rows)."""
    columns = quoted(*dict.fromkeys((*dataset.unique, dataset.time)))
    for name in (*dataset.unique, dataset.time):
        yield f"{name!r} must not be null", f'SELECT {columns} FROM temp._result WHERE "{name}" IS NULL'
    keys = quoted(*dataset.unique)
    yield (
        f"{dataset.unique} must be unique",
        f"SELECT {keys}, count(*) FROM temp._result GROUP BY {keys} HAVING count(*) > 1 ORDER BY {keys}",
    )
    for name in (name for name, type_ in dataset.columns.items() if type_ == "DOUBLE"):
        yield f"{name!r} must not be infinite", f'SELECT {columns}, "{name}" FROM temp._result WHERE isinf("{name}")'
    for name in dataset.finite:
        yield f"{name!r} must be a number or null, not NaN", f'SELECT {columns}, "{name}" FROM temp._result WHERE isnan("{name}")'
    for name in dataset.texts:
        long = f'SELECT {columns}, strlen("{name}") FROM temp._result WHERE strlen("{name}") > {TEXT_BYTES}'
        yield f"{name!r} must be at most {TEXT_BYTES} bytes of UTF-8", long
    for name, length in ((name, type_[len(VECTOR) : -1]) for name, type_ in dataset.columns.items() if type_.startswith(VECTOR)):
        other = f'SELECT {columns}, len("{name}") FROM temp._result WHERE len("{name}") != {length}'
        yield f"{name!r} must be {length} numbers", other
        wild = f'len(list_filter("{name}", lambda each: each IS NULL OR NOT isfinite(each))) > 0'
        yield f"{name!r} must be finite numbers", f'SELECT {columns}, "{name}" FROM temp._result WHERE {wild}'
    if dataset.event:
        early = f'SELECT {columns} FROM temp._result WHERE "{dataset.time}" < "{dataset.event}"'
        yield f"{dataset.time!r} must not be before {dataset.event!r}", early
    if dataset.one_day:
        own = Partition.of(day)
        inside = f"\"{dataset.time}\" >= TIMESTAMP '{own.start}' AND \"{dataset.time}\" < TIMESTAMP '{own.end}'"
        what = "the day" if own.is_day else f"the partition, {own.start} to {own.end} UTC"
        yield f"{dataset.time!r} must lie within {what}", f"SELECT {columns} FROM temp._result WHERE NOT ({inside})"
