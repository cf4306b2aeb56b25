"""Training-serving skew: logged requests replayed through the offline path, and compared value by value.

What the gateway served is in its log; what training would see for the same entity at the same moment is the
point-in-time join over the published partitions. Where the two differ, there are three innocent reasons, counted apart:
- late: a value arrived after the request that would have changed the answer; nobody could know it;
- stale: serving had, as a whole, an older row of the entity, or none yet: freshness, not computation;
- unpublished: the offline side has nothing to compare with.
What remains is skew: the two paths compute differently.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from include.core.expression.tree import columns_of
from include.core.request import Json
from include.core.spec import Feature, Features, View
from include.core.spec.dtypes import is_text, length_of
from include.data.sql import parquet, quoted
from include.data.sql_types import default_literal, sql_type
from include.point_in_time.join import EVENT, KNOWN, Side, interval, known, point_in_time, side
from include.point_in_time.partition import DailyFiles
from include.request_features.definition import RequestFeatures
from include.request_features.relation import with_computed

RELATIVE, ABSOLUTE = 1e-6, 1e-9  # of floats: what the model's float32 can just tell apart
STALE_SHARE = 0.05  # of a view's requests, from which on its staleness is worth a warning


@dataclass(frozen=True)
class Finding:
    """One feature of one view ("" for a request's own): how many values were compared, how many differed, and which most."""

    feature: str
    view: str
    compared: int
    mismatched: int
    stale: int = 0
    late: int = 0
    unpublished: int = 0
    worst: Mapping[str, Json] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.mismatched / self.compared if self.compared else 0.0

    def level(self, warn: float, error: float) -> str:
        """`error` and `warn` are shares of the compared values."""
        if self.mismatched and self.share >= error:
            return "error"
        total = self.compared + self.stale
        noticed = (self.mismatched and self.share >= warn) or (total and self.stale / total > STALE_SHARE)
        return "warn" if noticed else "ok"


def compare(
    connection: duckdb.DuckDBPyConnection, features: Features, files: DailyFiles, skipped: Sequence[str] = ()
) -> list[Finding]:
    """Findings for every feature. Table `served`: _place, request_id, event_timestamp, the keys and every input as it was served.

    `skipped`: views whose keys are not in the log.
    """
    views = [view for view in features.views if view.name not in skipped]
    joined = point_in_time(views, files, "served", ["entity._place"])
    connection.execute(f"CREATE OR REPLACE TABLE offline AS {joined}")
    found = [finding for view in views for finding in _of_view(connection, view, side(view, files.get(view.name, ())))]
    return found + (_of_request(connection, features.request, files["entities"]) if files.get("entities") else [])


def _of_view(connection: duckdb.DuckDBPyConnection, view: View, rows: Side) -> list[Finding]:
    differ = " OR ".join(f"NOT ({_same(f, f's.{_q(f.name)}', f'o.{_q(f.name)}', default=True)})" for f in view.features)
    connection.execute(
        f"CREATE OR REPLACE TABLE differing AS SELECT s.* FROM served s JOIN offline o USING (_place) WHERE {differ}"
    )
    connection.execute(f"CREATE OR REPLACE TABLE reasons AS {_reasons(view, rows)}")
    return [_finding(connection, feature, view.name, "offline", "_place") for feature in view.features]


def _reasons(view: View, rows: Side) -> str:
    """SQL: _place, reason of each differing request: late, stale, unpublished, or NULL where it is skew."""
    keys = " AND ".join(f's."{key}" = r."{key}"' for key in view.keys) or "true"
    since = f" AND r.{EVENT} >= s.{EVENT} - {interval(view.ttl)}" if view.ttl else ""
    whole = " AND ".join(_same(f, f"s.{_q(f.name)}", f"r.{_q(f.name)}") for f in view.features)
    nothing = " AND ".join(f"({_missing(f, f's.{_q(f.name)}')})" for f in view.features)
    here, later = f"r.{KNOWN} <= s.{EVENT}", f"r.{KNOWN} > s.{EVENT}"
    return f"""
        SELECT s._place, CASE
            WHEN max(r.{EVENT}) FILTER ({later}) >= coalesce(max(r.{EVENT}) FILTER ({here}), '-infinity'::TIMESTAMP) THEN 'late'
            WHEN count(r.{EVENT}) FILTER ({here}) = 0 THEN 'unpublished'
            WHEN any_value({nothing}) OR bool_or({whole}) FILTER ({here}) THEN 'stale'
        END AS reason
        FROM differing s LEFT JOIN (SELECT *, {known(rows)} AS {KNOWN} FROM {rows.rows}) r
        ON {keys} AND r.{EVENT} <= s.{EVENT}{since} GROUP BY s._place"""


def _of_request(connection: duckdb.DuckDBPyConnection, request: Sequence[Feature], entities: Sequence[str]) -> list[Finding]:
    """The features that came with the request, against the entity row of that id: what training takes for them."""
    if not request:
        return []
    columns = quoted(*(feature.name for feature in request))
    rows = f"SELECT request_id, {columns} FROM {parquet(entities)}"
    connection.execute(f"CREATE OR REPLACE TABLE asked AS SELECT * FROM ({rows}) SEMI JOIN served USING (request_id)")
    connection.execute("CREATE OR REPLACE TABLE reasons AS SELECT NULL::BIGINT AS _place, NULL::VARCHAR AS reason LIMIT 0")
    return [_finding(connection, feature, "", "asked", "request_id") for feature in request]


def recomputed(
    connection: duckdb.DuckDBPyConnection, features: Features, redacted: Collection[str], redefined: Sequence[int]
) -> list[Finding]:
    """What the gateway computed of requests, against what DuckDB makes of the same values as they were served.

    What these values were made of is compared for itself. Table `served` has them, and `_version`, who answered; versions that
    are `redefined` compute something else, and what reads a value that is not logged is left out.
    """
    wanted = RequestFeatures.of(features)
    if wanted is None:
        return []
    unknown = {*redacted}
    for expression in wanted.expressions:  # in order: what reads an unknown one is unknown, too
        if unknown & {*columns_of(expression.node)}:
            unknown.add(expression.name)
    served = (f"NULL::{sql_type(f.dtype)} AS {_q(f.name)}" if f.name in redacted else _q(f.name) for f in wanted.given)
    left_out = f" AND _version NOT IN ({', '.join(map(str, redefined))})" if redefined else ""
    rows = f"SELECT {', '.join(('_place', EVENT, *served))} FROM served WHERE _version IS NOT NULL{left_out}"
    connection.execute(f"CREATE OR REPLACE TABLE again AS {with_computed(rows, wanted)}")
    connection.execute("CREATE OR REPLACE TABLE reasons AS SELECT NULL::BIGINT AS _place, NULL::VARCHAR AS reason LIMIT 0")
    return [_finding(connection, each, "", "again", "_place") for each in wanted.computed if each.name not in unknown]


def _finding(connection: duckdb.DuckDBPyConnection, feature: Feature, view: str, other: str, by: str) -> Finding:
    name = _q(feature.name)
    distance = _distance(feature, f"s.{name}", f"o.{name}")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE judged AS
        SELECT s.request_id, s.{EVENT} AS moment, s.{name} AS served, o.{name} AS offline, reasons.reason,
            NOT ({_same(feature, f"s.{name}", f"o.{name}", default=True)}) AS differs, {distance} AS distance
        FROM served s JOIN {other} o USING ({by}) LEFT JOIN reasons USING (_place)""")
    counts = connection.execute("""
        SELECT count(*) FILTER (reason IS NULL), count(*) FILTER (differs AND reason IS NULL),
            count(*) FILTER (reason = 'stale'), count(*) FILTER (reason = 'late'), count(*) FILTER (reason = 'unpublished')
        FROM judged""").fetchall()[0]
    worst = connection.execute("""
        SELECT request_id, moment::VARCHAR, served, offline FROM judged WHERE differs AND reason IS NULL
        ORDER BY distance DESC NULLS FIRST, request_id LIMIT 1""").fetchall()
    example = dict(zip(("request_id", "at", "served", "offline"), map(_plain, worst[0]), strict=True)) if worst else {}
    compared, mismatched, stale, late, unpublished = counts
    return Finding(feature.name, view, compared, mismatched, stale, late, unpublished, example)


def _plain(value: Any) -> Json:
    """NaN is no JSON."""
    return None if isinstance(value, float) and value != value else value


# -- SQL of one comparison ----------------------------------------------------------------------------------


def _same(feature: Feature, served: str, offline: str, *, default: bool = False) -> str:
    """Whether two values are equal within the dtype's tolerance. With `default` a missing one stands for its default."""
    a, b = (_filled(feature, each) for each in (served, offline)) if default else (served, offline)
    if is_text(feature.dtype) or feature.dtype == "bool":
        return f"({a} IS NOT DISTINCT FROM {b})"
    if length_of(feature.dtype):
        return _same_vector(a, b)
    missing = f"(({_missing(feature, a)}) AND ({_missing(feature, b)}))"
    close = f"abs({a}::DOUBLE - {b}::DOUBLE) <= greatest({ABSOLUTE}, {RELATIVE} * greatest(abs({a}), abs({b})))"
    equal = close if feature.dtype == "float" else "false"
    return f"coalesce({missing} OR {a} = {b} OR {equal}, false)"


def _same_vector(a: str, b: str) -> str:
    """Each number within the tolerance of a float32; a missing vector is like another, and like nothing else."""
    tolerance = f"greatest({ABSOLUTE}, {RELATIVE} * greatest(abs(pair[1]), abs(pair[2])))"
    # DuckDB takes NaN for the greatest number, and for equal to itself.
    differ = f"isnan(pair[1]) != isnan(pair[2]) OR abs(pair[1] - pair[2]) > {tolerance}"
    apart = f"list_filter(list_zip({a}, {b}), lambda pair: coalesce({differ}, true))"
    both = f"len({a}) = len({b}) AND len({apart}) = 0"
    return f"(CASE WHEN {a} IS NULL OR {b} IS NULL THEN ({a} IS NULL AND {b} IS NULL) ELSE {both} END)"


def _distance(feature: Feature, served: str, offline: str) -> str:
    """How far two values are apart, to show the worst."""
    if is_text(feature.dtype):
        return "1"
    if length_of(feature.dtype):
        return f"(CASE WHEN len({served}) = len({offline}) THEN list_distance({served}, {offline}) END)"
    return f"abs({served}::DOUBLE - {offline}::DOUBLE)"


def _missing(feature: Feature, column: str) -> str:
    number = feature.dtype in ("float", "int")
    return f"{column} IS NULL" + (f" OR isnan({column}::DOUBLE)" if number else "")


def _filled(feature: Feature, column: str) -> str:
    if feature.default is None:
        return column
    if feature.dtype not in ("float", "int"):
        return f"coalesce({column}, {default_literal(feature)})"
    return f"(CASE WHEN {_missing(feature, column)} THEN {default_literal(feature)} ELSE {column}::DOUBLE END)"


def _q(name: str) -> str:
    return f'"{name}"'
