"""The prediction log of a window as tables of a DuckDB session: the SQL form of include/prediction_log/reader.py.

A torn line is skipped. Which of several records with one id counts is the rule of include/prediction_log/first.py; an id that
several entities were asked about is contested until `settle` has given it to the entity that the published entity row names.
`at` (wall clock of the writing) bounds the reading, so that the same selection is found again while later records keep coming.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from include.core.errors import NotReadyError
from include.core.spec import Feature
from include.core.spec.dtypes import length_of
from include.data import sql
from include.data.session import open_session
from include.data.sql_types import sql_type
from include.data.window import Window
from include.prediction_log.first import FIRST_SQL
from include.prediction_log.layout import PARQUET
from include.prediction_log.record import PREDICTION, SHADOW

KINDS = (PREDICTION, SHADOW)
TEXTS = ("id", "at", "event_time", "unit", "arm", "degraded", "explored")  # fields of the record that are read as text
COLUMNS = ("request_id", "event_time", "version", "arm", "score", "degraded")
OUTPUTS = "outputs"
NO_TIME = timedelta(0)
SAFE = "reading never changes the log; the retry finds the same records where they are by then."
NOT_DEGRADED = "('false', 'no', 'none', 'null', '0', '', '[]', '{}')"


@dataclass(frozen=True)
class Beside:
    """What is read of records beside inputs and score: `outputs`, where a model has several, and `keys`: entity keys by name."""

    outputs: bool = False
    keys: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names in the tables."""
        return (*((OUTPUTS,) if self.outputs else ()), *self.keys)


NOTHING = Beside()


@dataclass(frozen=True)
class Selection:
    """What the log held for a window: how many records, the last writing time among them, their digest."""

    records: int
    until: str
    digest: str


def open_log(
    files: Sequence[Path],
    inputs: Sequence[Feature],
    window: Window,
    until: str = "",
    earlier: timedelta = NO_TIME,
    beside: Beside = NOTHING,
) -> duckdb.DuckDBPyConnection:
    """A connection with `log`: every prediction of the window, duplicates included; `earlier`: the same of the time before
    it; `shadows`: what a shadow said to requests of either. `files`: those of include/prediction_log/layout.py, in its order.

    Columns: request_id, event_time, version, arm, score, one per model input, those of `beside`, degraded, explored, _written
    (text), _fields (the names the record carried), _unit (hash of the entity), turn (1 = the record that counts; below 0: the
    id is contested, -1 = the record that counts of its entity). Raises NotReadyError where a file went meanwhile.
    """
    connection = open_session(threads=2)  # a time without zone is UTC
    connection.execute("CREATE TABLE lines (kind VARCHAR, json JSON)")
    for rotated, some in groupby(files, key=lambda file: file.suffix == PARQUET):
        _load(connection, rotated, list(some))
    connection.execute(_timed(inputs, beside), [window.start, window.start - earlier, window.end, until, until])
    connection.execute("CREATE VIEW log AS SELECT * EXCLUDE _early FROM timed WHERE NOT _early")
    connection.execute("CREATE VIEW earlier AS SELECT * EXCLUDE _early FROM timed WHERE _early")
    connection.execute(_SHADOWS, [until, until])
    return connection


def select(connection: duckdb.DuckDBPyConnection, inputs: Sequence[Feature], also: Beside = NOTHING) -> Selection:
    """Count and digest of the records that count; equal content gives an equal digest, whatever the files."""
    names = [f'"{name}"' for name in (*COLUMNS, *(feature.name for feature in inputs), *also.columns)]
    fields = ", ".join(f"{name} := {name}" for name in names)
    beside = "(SELECT max(written) AS written, sha256(string_agg(digest, '' ORDER BY digest)) AS digest FROM shadows)"
    row = connection.execute(
        f"""SELECT count(*) FILTER (turn = 1 AND NOT _early), coalesce(greatest(max(p._written), max(s.written)), ''),
                   sha256(coalesce(string_agg(p.digest, '' ORDER BY _early, request_id, _unit) FILTER (turn IN (1, -1)), '')
                          || coalesce(max(s.digest), ''))
        FROM (SELECT *, sha256(to_json(struct_pack({fields}))::VARCHAR) AS digest FROM timed) p, {beside} s"""
    ).fetchone()
    assert row is not None
    return Selection(int(row[0]), str(row[1]), str(row[2]))


def _load(connection: duckdb.DuckDBPyConnection, rotated: bool, files: Sequence[Path]) -> None:
    """Append the files' lines to `lines`, whose row numbers are then their order of reading: the session keeps it."""
    if rotated:
        query = f"SELECT kind, record::JSON FROM {sql.parquet(files)}"
    else:
        source = f"read_json_objects([{sql.files(files)}], format='newline_delimited', ignore_errors=true)"
        query = f"SELECT json->>'kind' AS kind, json FROM {source}"
    try:
        connection.execute(f"INSERT INTO lines {query} WHERE kind IN {KINDS}")
    except duckdb.IOException as error:
        if all(path.exists() for path in files):
            raise
        raise NotReadyError("The prediction log was rotated while it was read.", seen=str(error), safe=SAFE) from error


def _timed(inputs: Sequence[Feature], beside: Beside) -> str:
    features = "".join(f', r.features."{feature.name}" AS "{feature.name}"' for feature in inputs)
    features += "".join(f', json_extract_string(json, \'$.entity."{key}"\') AS "{key}"' for key in beside.keys)
    features += f", r.outputs AS {OUTPUTS}" if beside.outputs else ""
    return f"""CREATE TABLE timed AS
    WITH parsed AS (
        SELECT rowid AS _place, json, json_transform(json, '{_shape(inputs, beside)}') AS r FROM lines WHERE kind = '{PREDICTION}'
    ),
    timed AS (SELECT *, try_cast(r.event_time AS TIMESTAMPTZ)::TIMESTAMP AS event_time, event_time < ? AS _early FROM parsed)
    SELECT r.id AS request_id, event_time, r.version AS version, r.arm AS arm, r.score AS score{features},
           lower(coalesce(r.degraded, 'false')) NOT IN {NOT_DEGRADED} AS degraded,
           coalesce(r.explored, '') AS explored,
           coalesce(r."at", '') AS _written, json_keys(json, '$.features') AS _fields, _early,
           coalesce(r.unit, '') AS _unit,
           (CASE WHEN {_CONTESTED} THEN -1 ELSE 1 END)
           * row_number() OVER (PARTITION BY r.id, _unit, _early ORDER BY {FIRST_SQL.format(at='r."at"', place="_place")}) AS turn
    FROM timed
    WHERE r.id IS NOT NULL AND r.score IS NOT NULL AND event_time >= ? AND event_time < ?
          AND (? = '' OR coalesce(r."at", '') <= ?)"""


def _shape(inputs: Sequence[Feature], beside: Beside) -> str:
    features = {feature.name: _shape_of(feature.dtype) for feature in inputs}
    several = {OUTPUTS: ["DOUBLE"]} if beside.outputs else {}
    shape = {**dict.fromkeys(TEXTS, "VARCHAR"), "version": "INTEGER", "score": "DOUBLE", "features": features, **several}
    return json.dumps(shape)


def _shape_of(dtype: str) -> Any:
    """As json_transform takes it: a list is written as a list of one type."""
    return ["FLOAT"] if length_of(dtype) else sql_type(dtype)


_CONTESTED = "min(coalesce(r.unit, '')) OVER (PARTITION BY r.id) <> max(coalesce(r.unit, '')) OVER (PARTITION BY r.id)"

# `lines.`, as an input may be called `json` or `kind`. The first that each shadow said to a request of the window or before.
_SHADOWS = f"""CREATE TABLE shadows AS
SELECT lines.json->>'id' AS request_id, (lines.json->>'version')::INTEGER AS version, (lines.json->>'score')::DOUBLE AS score,
       json_transform(lines.json->'outputs', '["DOUBLE"]') AS outputs,
       coalesce(lines.json->>'unit', '') AS unit, coalesce(lines.json->>'at', '') AS written,
       sha256(concat_ws(' ', lines.json->>'id', lines.json->>'version', lines.json->>'score', lines.json->>'outputs')) AS digest
FROM lines SEMI JOIN timed ON timed.request_id = lines.json->>'id'
WHERE lines.kind = '{SHADOW}' AND (lines.json->>'score') IS NOT NULL AND (? = '' OR coalesce(lines.json->>'at', '') <= ?)
QUALIFY row_number() OVER (
    PARTITION BY lines.json->>'id', lines.json->>'unit', lines.json->>'version'
    ORDER BY {FIRST_SQL.format(at="lines.json->>'at'", place="lines.rowid")}
) = 1"""
