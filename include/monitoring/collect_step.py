"""Step `collect`: the predictions of a window, each with its label where that has arrived; beside them, what is still open:
the windows before it whose late labels have come since, and what a shadow said to the same requests.

The prediction log is no ledger object, so the request names its content: `snapshot` digests the selected
records and puts the digest in the parameters; `run` reads the log again and insists on the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow.parquet as pq

from include.core.errors import NotReadyError
from include.core.partition import Partition
from include.core.request import Json, Outcome, Ref, Request
from include.core.spec import Feature, Features, ModelSpec
from include.core.task import Task
from include.data.sql import copy, literal, parquet
from include.data.sql_types import default_literal
from include.data.window import Window, moment
from include.monitoring import people
from include.prediction_log.owners import settle
from include.prediction_log.shared import SharedLog, files
from include.prediction_log.sql_view import COLUMNS, Beside, open_log, select
from include.prediction_log.units import units_of
from include.problems.of import of_params, of_spec, params_of
from include.problems.problem import Problem
from include.step_values.monitoring import CollectValue

FEEDBACK = "feedback"  # an input: what the step `labels` found


def snapshot(
    log: SharedLog,
    spec: ModelSpec,
    as_of: str | datetime,
    published: Mapping[Partition, Ref],
    *,
    window_days: int = 0,
    withdrawn: Sequence[int] = (),
    feedback: Ref | None = None,
) -> Request:
    """The request of `collect` for the window that ends at `as_of`, as the log stands now.

    `published`: {partition: Ref of its `features` result}; those that the window touches become inputs. `withdrawn`: versions
    that were rolled back: their answers are tagged. `feedback`: labels that callers have sent, for requests of
    which none has landed.
    """
    window = Window.ending(as_of, window_days or spec.monitoring.window_days)
    wide = Window(window.start - spec.monitoring.label_wait * (window.end - window.start), window.end)
    inputs = spec.features.inputs
    problem, before = of_spec(spec), window.start - wide.start
    also = beside(problem, inputs)
    with open_log(files(log, spec.name), inputs, window, earlier=before, beside=also) as connection:
        selection = select(connection, inputs, also)
    params: dict[str, Json] = {
        "as_of": window.end.isoformat(),
        "window_start": window.start.isoformat(),
        "earlier_start": wide.start.isoformat(),
        "records": selection.records,
        "until": selection.until,
        "log": selection.digest,
        "features": spec.features.model_dump(mode="json"),
        "redacted": sorted(spec.serving.redact),
        "slices": list(spec.evaluation.slices),
        "withdrawn": list(withdrawn),
        **people.asked_of(spec),
        **params_of(spec),
    }
    days = {str(day): published[day] for day in sorted(published) if Partition.of(day).touches(wide.start, wide.end)}
    if feedback is not None:
        days[FEEDBACK] = feedback
    return Request.of("collect", "include.monitoring.collect_step:run", spec.name, params=params, inputs=days)


def beside(problem: Problem, inputs: Sequence[Feature]) -> Beside:
    """What a kind of problem needs of a record: all outputs where there are several, and which rows are one list."""
    known = [feature.name for feature in inputs]
    keys = (problem.query,) if problem.query is not None and problem.query not in known else ()
    return Beside(len(problem.outputs) > 1, keys)


def run(task: Task) -> Outcome:
    """Writes `predictions.parquet`: request_id, event_time, version, arm, score, every model input, all `outputs` where a model
    has several, the query of a ranking, degraded, explored (why the champion's score did not decide: challenger, random, or
    empty), withdrawn (a version answered that was rolled back since), label (null until it has arrived; classes by name),
    label_timestamp; sorted by event_time, request_id. `earlier.parquet`: the same of the windows before, with the slices'
    columns alone. `shadow.parquet`: request_id, event_time, version, score and outputs of a shadow, `answered` and
    `answered_by` of the version that the caller heard, label. `people.parquet`, where the spec names protected attributes: those
    of each request of the window and before (include/monitoring/people.py).

    Raises NotReadyError if the log no longer holds what the request names.
    """
    params = task.params
    features = Features.model_validate(params["features"])
    inputs = features.inputs
    window = Window(moment(params["window_start"]), moment(params["as_of"]))
    log = files(SharedLog(task.settings.home, task.storage), task.request.model)
    earlier = window.start - moment(params["earlier_start"])
    problem = of_params(params)
    also = beside(problem, inputs)
    with open_log(log, inputs, window, params["until"], earlier, also) as connection:
        selection = select(connection, inputs, also)
        if selection.digest != params["log"]:
            raise NotReadyError(
                f"The prediction log of {task.request.model} no longer holds the {params['records']} records of {window.name} "
                "that this request names.",
                seen=f"{selection.records} records",
                safe="nothing was written; the log itself is never changed by reading.",
                hint="the retry takes a new snapshot by itself.",
            )
        days = sorted(set(task.request.inputs) - {FEEDBACK})
        told = [str(task.file(FEEDBACK, "labels.parquet"))] if FEEDBACK in task.request.inputs else []
        _labels(connection, [str(task.file(day, "labels.parquet")) for day in days], window, problem, told)
        settle(
            connection,
            lambda: [str(task.file(day, "entities.parquet")) for day in days],
            problem.value.unit_keys(features.keys),
            units_of(task.settings, task.request.model),
        )
        taken = _defaults(inputs, params["redacted"])
        queries = _queries(params, [feature.name for feature in inputs], also, problem, taken)
        queries |= _people(task, days, taken)
        written = {f"{name}.parquet": task.workdir / f"{name}.parquet" for name in queries}
        for query, path in zip(queries.values(), written.values(), strict=True):
            connection.execute(copy(f"{query} ORDER BY event_time, request_id", path))
        counts = _counts(connection, window, {feature.name for feature in inputs} - set(params["redacted"]))
        defaulted = _defaulted(connection, taken)
        redacted = sorted({feature.name for feature in inputs} & set(params["redacted"]))
        more = {**({"defaulted": defaulted} if defaulted else {}), **({"redacted": redacted} if redacted else {})}
        return Outcome({**counts, **more, **({"labels_told": _told(connection)} if told else {})}, written)


@dataclass(frozen=True)
class _Default:
    """Of a column: when it is missing, and what the model takes it for then, as SQL."""

    missing: str
    value: str


def _defaults(inputs: Sequence[Feature], redacted: Sequence[str]) -> dict[str, _Default]:
    """The columns whose missing values the model takes for a default.

    A training set has the default in their place already (include/point_in_time/join.py): what is compared with it must, too, or
    every entity that nothing is known of would look like a broken feed.
    """
    known = (each for each in inputs if each.default is not None and each.name not in redacted)
    return {each.name: _Default(_missing(each), default_literal(each)) for each in known}


def _missing(feature: Feature) -> str:
    column = f'"{feature.name}"'
    return f"({column} IS NULL OR isnan({column}))" if feature.dtype == "float" else f"{column} IS NULL"


def _defaulted(connection: duckdb.DuckDBPyConnection, taken: Mapping[str, _Default]) -> dict[str, int]:
    """How many requests of the window had nothing in a column that has a default, where any had."""
    if not taken:
        return {}
    asked = ", ".join(f"count(*) FILTER ({each.missing})" for each in taken.values())
    row = connection.execute(f"SELECT {asked} FROM log WHERE turn = 1").fetchone()
    assert row is not None
    return {name: int(rows) for name, rows in zip(taken, row, strict=True) if rows}


def _queries(
    params: Mapping[str, Any], names: list[str], also: Beside, problem: Problem, taken: Mapping[str, _Default]
) -> dict[str, str]:
    """What each file holds. `taken`: the defaults that stand for missing values, by column."""
    sliced = [name for name in names if name in params["slices"] or name in problem.costs]
    tags = f"explored, {_withdrawn(params)}"
    return {
        "predictions": f"SELECT {_columns([*names, *also.columns], taken)}, {tags} FROM log "
        "LEFT JOIN labels USING (request_id) WHERE turn = 1",
        "earlier": f"SELECT {_columns([*sliced, *also.columns], taken)} FROM earlier "
        "LEFT JOIN labels USING (request_id) WHERE turn = 1",
        "shadow": "SELECT p.request_id, event_time, s.version, s.score, p.score AS answered, p.version AS answered_by, "
        f"label{_shadowed(also, problem)} FROM timed p JOIN shadows s ON s.request_id = p.request_id AND s.unit = p._unit "
        "LEFT JOIN labels l ON l.request_id = p.request_id WHERE turn = 1 AND NOT degraded",
    }


def _people(task: Task, days: Sequence[str], taken: Mapping[str, _Default]) -> dict[str, str]:
    """The file of whom requests were about, where the spec names protected attributes."""
    asked = task.params.get("people")
    if not asked:
        return {}
    entities = [str(task.file(day, "entities.parquet")) for day in days] if people.looks_up(asked) else []
    filled = {name: _filled(name, taken[name]) if name in taken else f'"{name}"' for name in asked["logged"]}
    return {people.FILE: people.query(asked, entities, filled)}


def _columns(inputs: list[str], taken: Mapping[str, _Default]) -> str:
    names = (*COLUMNS[:-1], *inputs, "degraded", "label", "label_timestamp")
    return ", ".join(_filled(name, taken[name]) if name in taken and name in inputs else f'"{name}"' for name in names)


def _filled(name: str, default: _Default) -> str:
    return f'CASE WHEN {default.missing} THEN {default.value} ELSE "{name}" END AS "{name}"'


def _shadowed(also: Beside, problem: Problem) -> str:
    """What is compared beside the score: all outputs of both, which rows are one list, and what wrong decisions cost."""
    several = ", s.outputs, p.outputs AS answered_outputs" if also.outputs else ""
    names = dict.fromkeys((*also.keys, *((problem.query,) if problem.query else ()), *problem.costs))
    return several + "".join(f', p."{name}"' for name in names)


def _withdrawn(params: Mapping[str, Any]) -> str:
    versions = ", ".join(str(int(version)) for version in params["withdrawn"])
    return f"coalesce(version IN ({versions}), false) AS withdrawn" if versions else "false AS withdrawn"


def _labels(
    connection: duckdb.DuckDBPyConnection, files: list[str], window: Window, problem: Problem, told: Sequence[str]
) -> None:
    """Table `labels`: one row a request. The newest label wins; two that differ at one moment cancel each other.

    Classes that the problem does not have are no labels: they are counted in `outside`. `told`: files of labels that callers
    have sent, for requests of which no label has landed; their requests are in the table `told`.
    """
    kind = "VARCHAR" if problem.named_labels else "DOUBLE"
    connection.execute(f"CREATE TABLE arrived (request_id VARCHAR, label {kind}, label_timestamp TIMESTAMP)")
    if files:
        name = _label_column(files[0])
        connection.execute(
            f"""INSERT INTO arrived SELECT DISTINCT request_id::VARCHAR, "{name}"::{kind}, label_timestamp::TIMESTAMP
               FROM {parquet(files, union_by_name=True)} WHERE "{name}" IS NOT NULL AND label_timestamp <= ?""",
            [window.end],
        )
    known = f"label IN ({', '.join(map(literal, problem.outputs))})" if problem.named_labels else "isfinite(label)"
    connection.execute(f"CREATE TABLE outside AS SELECT DISTINCT request_id FROM arrived WHERE NOT {known}")
    connection.execute(f"DELETE FROM arrived WHERE NOT {known}")
    connection.execute("CREATE TABLE told (request_id VARCHAR)")
    if told:
        sent = f"SELECT * FROM {parquet(told)} WHERE label_timestamp <= ?"
        rows = f'SELECT request_id, "{_label_column(told[0])}"::{kind} AS label, label_timestamp FROM ({sent})'
        connection.execute(f"CREATE TABLE missing AS {rows} ANTI JOIN arrived USING (request_id)", [window.end])
        connection.execute("INSERT INTO arrived SELECT * FROM missing")
        connection.execute("INSERT INTO told SELECT request_id FROM missing")
    connection.execute(
        """CREATE TABLE labels AS
        WITH newest AS (
            SELECT request_id, max(label_timestamp) AS label_timestamp, count(DISTINCT label) AS seen FROM arrived GROUP BY 1
        )
        SELECT request_id, CASE WHEN count(*) = 1 THEN any_value(label) END AS label,
               CASE WHEN count(*) = 1 THEN label_timestamp END AS label_timestamp,
               any_value(seen) > 1 AND count(*) = 1 AS corrected, count(*) > 1 AS contradicting,
               max(newest.label_timestamp) AS came
        FROM arrived JOIN newest USING (request_id, label_timestamp) GROUP BY request_id, label_timestamp"""
    )
    # As in a training set: what was known before its question was asked is no label of it.
    connection.execute(
        """CREATE TABLE foreknown AS SELECT request_id, _early FROM labels JOIN timed USING (request_id)
        WHERE turn = 1 AND label_timestamp < event_time"""
    )
    connection.execute("DELETE FROM labels WHERE request_id IN (SELECT request_id FROM foreknown)")


def _told(connection: duckdb.DuckDBPyConnection) -> int:
    """How many of the window's labels callers have sent."""
    query = "SELECT count(label) FROM log JOIN labels USING (request_id) SEMI JOIN told USING (request_id) WHERE turn = 1"
    return int(connection.execute(query).fetchall()[0][0])


def _label_column(file: str) -> str:
    """The one column beside request_id and label_timestamp: `label`, or the label's own name."""
    names = [name for name in pq.read_schema(file).names if name not in ("request_id", "label_timestamp")]
    return "label" if "label" in names else names[0]


def _counts(connection: duckdb.DuckDBPyConnection, window: Window, expected: set[str]) -> CollectValue:
    def one(query: str) -> Any:
        row = connection.execute(query).fetchone()
        return row[0] if row else None

    mine = "FROM log JOIN labels USING (request_id) WHERE turn = 1"
    seen = set(one("SELECT list(DISTINCT f) FROM (SELECT unnest(_fields) AS f FROM log WHERE turn = 1)") or [])
    versions = connection.execute("SELECT version, count(*) FROM log WHERE turn = 1 GROUP BY 1 ORDER BY 1").fetchall()
    rows = int(one("SELECT count(*) FROM log WHERE turn = 1"))
    return {
        "window": window.name,
        "as_of": window.end.isoformat(),
        "rows": rows,
        "duplicates": int(one("SELECT count(*) FROM log WHERE turn > 1")),
        "contested": int(one("SELECT count(DISTINCT request_id) FROM log AS l WHERE turn < 0")),
        "degraded": int(one("SELECT count(*) FROM log WHERE turn = 1 AND degraded")),
        "explored": int(one("SELECT count(*) FROM log WHERE turn = 1 AND explored <> ''")),
        "labelled": int(one(f"SELECT count(label) {mine}")),
        "labels_corrected": int(one(f"SELECT count(*) {mine} AND corrected")),
        "labels_contradicting": int(one(f"SELECT count(*) {mine} AND contradicting")),
        "labels_outside": int(one("SELECT count(*) FROM outside SEMI JOIN log USING (request_id)")),
        "labels_before_request": int(one("SELECT count(*) FROM foreknown WHERE NOT _early")),
        "labels_of_unknown_requests": int(
            one(f"SELECT count(*) FROM labels ANTI JOIN timed USING (request_id) WHERE came >= '{window.start}'")
        ),
        "versions": {str(version): int(count) for version, count in versions},
        "absent_columns": sorted(expected - seen) if rows else [],
        "unexpected_columns": sorted(seen - expected),
    }
