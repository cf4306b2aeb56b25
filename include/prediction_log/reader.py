"""Reading the gateway's prediction log: JSONL under `<home>/predictions/{model}/`, written while we read, and the
Parquet files that older segments became (include/prediction_log/rotation.py).

A torn line is skipped. Of several records with one id and one entity the first written counts. An id that several
entities were asked about is contested: whoever guesses an id could else stand in for the request it belongs to. Then the
record counts whose entity the published entity row names (`settle`), and none where no row does. `at` (wall clock of the
writing) bounds the reading, so that the same selection is found again while later records keep coming.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from include.core.errors import NotReadyError
from include.core.settings import Settings
from include.core.spec import Feature
from include.data import sql
from include.data.session import open_session
from include.data.window import Window

DTYPES = {"float": "DOUBLE", "int": "BIGINT", "category": "VARCHAR"}
KINDS = ("prediction", "shadow")
NO_TIME = timedelta(0)
SAFE = "reading never changes the log; the retry finds the same records in their Parquet files."
NOT_DEGRADED = "('false', 'no', 'none', 'null', '0', '', '[]', '{}')"


@dataclass(frozen=True)
class Selection:
    """What the log held for a window: how many records, the last writing time among them, their digest."""

    records: int
    until: str
    digest: str


def log_files(settings: Settings, model: str) -> list[str]:
    """Segments, and the Parquet files that older ones became; a segment that is still there counts, not its copy.

    Segments are listed first: one that is rotated meanwhile is then in the list at least once.
    """
    folder = Path(settings.home, "predictions", model)
    segments = list(folder.glob("*.jsonl"))
    stems = {path.stem for path in segments}
    return sorted(map(str, [*segments, *(path for path in folder.glob("date=*/*.parquet") if path.stem not in stems)]))


def open_log(
    files: Sequence[str], inputs: Sequence[Feature], window: Window, until: str = "", earlier: timedelta = NO_TIME
) -> duckdb.DuckDBPyConnection:
    """A connection with `log`: every prediction of the window, duplicates included; `earlier`: the same of the time before
    it; `shadows`: what a shadow said to requests of either.

    Columns: request_id, event_time, version, arm, score, one per model input, degraded, explored, _written (text),
    _fields (the names the record carried), _unit (hash of the entity), turn (1 = the first record of its id; below 0: the
    id is contested, -1 = the first of its entity).
    """
    connection = open_session(threads=2)  # a time without zone is UTC
    connection.execute("CREATE TABLE lines (kind VARCHAR, json JSON)")
    parquet = [file for file in files if file.endswith(".parquet")]
    if parquet:
        query = f"SELECT kind, record::JSON FROM {sql.parquet(parquet)} WHERE kind IN {KINDS}"
        connection.execute(f"INSERT INTO lines {query}")
    if len(parquet) < len(files):
        files = [file for file in files if not file.endswith(".parquet")]
        source = f"read_json_objects([{sql.files(files)}], format='newline_delimited', ignore_errors=true)"
        query = f"SELECT json->>'kind' AS kind, json FROM {source} WHERE kind IN {KINDS}"
        try:
            connection.execute(f"INSERT INTO lines {query}")
        except duckdb.IOException as error:
            raise NotReadyError("The prediction log was rotated while it was read.", seen=str(error), safe=SAFE) from error
    features = "".join(f', r.features."{feature.name}" AS "{feature.name}"' for feature in inputs)
    connection.execute(
        f"""CREATE TABLE timed AS
        WITH parsed AS (SELECT json, json_transform(json, '{_shape(inputs)}') AS r FROM lines WHERE kind = 'prediction'),
        timed AS (SELECT *, try_cast(r.event_time AS TIMESTAMPTZ)::TIMESTAMP AS event_time, event_time < ? AS _early FROM parsed)
        SELECT r.id AS request_id, event_time, r.version AS version, r.arm AS arm, r.score AS score{features},
               lower(coalesce(r.degraded, 'false')) NOT IN {NOT_DEGRADED} AS degraded,
               coalesce(r.explored, '') AS explored,
               coalesce(r."at", '') AS _written, json_keys(json, '$.features') AS _fields, _early,
               coalesce(r.unit, '') AS _unit,
               (CASE WHEN {_CONTESTED} THEN -1 ELSE 1 END)
               * row_number() OVER (PARTITION BY r.id, _unit, _early ORDER BY coalesce(r."at", ''), json) AS turn
        FROM timed
        WHERE r.id IS NOT NULL AND r.score IS NOT NULL AND event_time >= ? AND event_time < ?
              AND (? = '' OR coalesce(r."at", '') <= ?)""",
        [window.start, window.start - earlier, window.end, until, until],
    )
    connection.execute("CREATE VIEW log AS SELECT * EXCLUDE _early FROM timed WHERE NOT _early")
    connection.execute("CREATE VIEW earlier AS SELECT * EXCLUDE _early FROM timed WHERE _early")
    connection.execute(_SHADOWS, [until, until])
    return connection


def select(connection: duckdb.DuckDBPyConnection, inputs: Sequence[Feature]) -> Selection:
    """Count and digest of the records that count; equal content gives an equal digest, whatever the files."""
    names = ", ".join(f'"{name}"' for name in (*COLUMNS, *(feature.name for feature in inputs)))
    beside = "(SELECT max(written) AS written, sha256(string_agg(digest, '' ORDER BY digest)) AS digest FROM shadows)"
    row = connection.execute(
        f"""SELECT count(*) FILTER (turn = 1 AND NOT _early), coalesce(greatest(max(p._written), max(s.written)), ''),
                   sha256(coalesce(string_agg(p.digest, '' ORDER BY _early, request_id, _unit) FILTER (turn IN (1, -1)), '')
                          || coalesce(max(s.digest), ''))
        FROM (SELECT *, sha256(to_json(struct_pack({_pack(names)}))::VARCHAR) AS digest FROM timed) p, {beside} s"""
    ).fetchone()
    assert row is not None
    return Selection(int(row[0]), str(row[1]), str(row[2]))


def settle(connection: duckdb.DuckDBPyConnection, files: Callable[[], Sequence[str]], keys: Sequence[str], units: Units) -> None:
    """Let a contested id belong to the entity of its published entity row: the first record of that entity counts.

    `files`: those of the entity rows, asked for where an id is contested. `units`: what the log may hold for an entity.
    """
    contested = bool(connection.execute("SELECT 1 FROM timed WHERE turn < 0 LIMIT 1").fetchall())
    entities = files() if contested else ()
    if not entities:
        return
    columns = ", ".join(f'"{key}"::VARCHAR' for key in keys)
    rows = connection.execute(
        f"""SELECT request_id::VARCHAR, [{columns}]::VARCHAR[] FROM {sql.parquet(entities, union_by_name=True)}
        WHERE request_id::VARCHAR IN (SELECT request_id FROM timed WHERE turn < 0)"""
    ).fetchall()
    owners: dict[str, set[str]] = {}
    for request, values in rows:
        owners.setdefault(request, set()).update(units(["" if value is None else value for value in values]))
    for request, known in owners.items():
        connection.execute(
            "UPDATE timed SET turn = 1 WHERE turn = -1 AND request_id = ? AND list_contains(?::VARCHAR[], _unit)",
            [request, sorted(known)],
        )


Units = Callable[[Sequence[str]], set[str]]  # of an entity's keys, in the spec's order

_CONTESTED = "min(coalesce(r.unit, '')) OVER (PARTITION BY r.id) <> max(coalesce(r.unit, '')) OVER (PARTITION BY r.id)"

# `lines.`, as an input may be called `json` or `kind`. The first that each shadow said to a request of the window or before.
_SHADOWS = """CREATE TABLE shadows AS
SELECT lines.json->>'id' AS request_id, (lines.json->>'version')::INTEGER AS version, (lines.json->>'score')::DOUBLE AS score,
       coalesce(lines.json->>'unit', '') AS unit, coalesce(lines.json->>'at', '') AS written,
       sha256(concat_ws(' ', lines.json->>'id', lines.json->>'version', lines.json->>'score')) AS digest
FROM lines SEMI JOIN timed ON timed.request_id = lines.json->>'id'
WHERE lines.kind = 'shadow' AND (lines.json->>'score') IS NOT NULL AND (? = '' OR coalesce(lines.json->>'at', '') <= ?)
QUALIFY row_number() OVER (
    PARTITION BY lines.json->>'id', lines.json->>'unit', lines.json->>'version' ORDER BY lines.json->>'at', lines.json
) = 1"""

COLUMNS = ("request_id", "event_time", "version", "arm", "score", "degraded")


def _pack(names: str) -> str:
    return ", ".join(f"{name} := {name}" for name in names.split(", "))


def _shape(inputs: Sequence[Feature]) -> str:
    shape = dict.fromkeys(("id", "at", "event_time", "unit", "arm", "degraded", "explored"), "VARCHAR")
    features = {feature.name: DTYPES[feature.dtype] for feature in inputs}
    return json.dumps({**shape, "version": "INTEGER", "score": "DOUBLE", "features": features})
