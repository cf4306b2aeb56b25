"""Step `training_set`: what was known at `as_of`, joined point in time, as one immutable snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from include.core.errors import DataError
from include.core.request import Json, Outcome, Result
from include.core.spec import Binary, Features, MultiClass
from include.core.task import Task
from include.core.time import parse_time
from include.data.authored import memory
from include.data.session import open_session
from include.data.sql import copy, parquet, quoted
from include.features.skew.own_event import same_instant, warnings
from include.features.withdrawn_step import INPUT as WITHDRAWN
from include.features.withdrawn_step import matches
from include.point_in_time.computed import finished, request_features, sent
from include.point_in_time.known import KnownFiles, checked_version, days_of, known_at, known_files, newest_definitions
from include.point_in_time.partition import DailyFiles, results
from include.problems.label_counts import LabelCounts
from include.problems.of import PLAIN, of_params
from include.problems.problem import TIME, Problem
from include.problems.truth import Truth

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
BATCH = 1 << 17  # rows whose labels are looked at at once
FEEDBACK = "feedback"  # an input: labels that callers have sent
TOLD, ANSWERED, AT_ONCE = '"_told"', '"_answered"', '"_at_once"'  # SQL names that no author's column can have


@dataclass(frozen=True)
class Window:
    """Which rows: asked within `window_days` before `as_of`, labelled by then; the newest `holdout_days` apart."""

    as_of: datetime  # UTC, without zone
    window_days: int
    holdout_days: int
    minimum_rows: int
    label: str
    problem: Problem = PLAIN
    beside: tuple[str, ...] = ()  # protected attributes that are no inputs: columns of the holdout alone

    @property
    def start(self) -> datetime:
        """No row that was asked before is in it."""
        return self.as_of - timedelta(days=self.window_days)


def run(task: Task) -> Outcome:
    """Writes `train.parquet` and `holdout.parquet`; a value of counts and view versions. Inputs: a published day each, those
    of the window and before it those whose values may still stand in it (include/point_in_time/known.py); and `withdrawn`
    (include/features/withdrawn_step.py) where its requests are to be left out; and `feedback`, labels that callers have sent, for
    requests of which no label had landed by then.

    Columns: request_id, event_timestamp, keys, features, those that the problem reads beside them, label (of the problem's
    type; int8 of a binary one); of the holdout alone protected attributes that are no inputs (param `beside`). The same inputs
    give the same bytes. Rows of one list (a ranking's query) are never apart: a list that lies on both sides of the cut is left
    out.
    Raises DataError where the rows cannot be trained on: none, unlabelled, labels of another kind, one class or one value, a
    class without a row, too few, two definitions of a view.
    """
    params = task.params
    days_of_window = params["window_days"], params["holdout_days"], params["minimum_rows"]
    beside = tuple(params.get("beside", ()))
    window = Window(parse_time(params["as_of"]), *days_of_window, params["label"], of_params(params), beside)
    inputs = dict(task.request.inputs)
    left_out, feedback = inputs.pop(WITHDRAWN, None), inputs.pop(FEEDBACK, None)
    days = results(task.ledger, inputs)
    features = Features.model_validate(params["features"])
    views = checked_version(features.views, days, window.start)
    _require_sets(features, days, window)
    with open_session(1, memory(), spill=task.workdir / "spill") as connection:
        files = known_files(task.ledger, features.views, days, window.start, task.workdir / "inputs")
        if left_out is not None:
            files.days[WITHDRAWN] = [str(task.file(WITHDRAWN, f"{WITHDRAWN}.parquet"))]
        if feedback is not None:
            files.days[FEEDBACK] = [str(task.file(FEEDBACK, "labels.parquet"))]
        outcome = build(connection, features, window, files, task.workdir)
    newest = newest_definitions(features.views, days)
    made = {name: each for name, each in newest.items() if each["view"]["version"] == views.get(name)}
    lacked = {day: result.value["lacked"] for day, result in days.items() if result.value.get("lacked")}
    return Outcome({**outcome.value, "views": views, "definitions": made, "lacked": lacked}, outcome.files)


def build(
    connection: duckdb.DuckDBPyConnection, features: Features, window: Window, daily: KnownFiles | DailyFiles, folder: Path
) -> Outcome:
    """The training set from daily files, written into `folder`. Plain files by dataset are those of the window alone."""
    files = daily if isinstance(daily, KnownFiles) else KnownFiles(daily, {})
    if not files.days.get("entities"):
        raise DataError(
            f"No day is published in the {window.window_days} days before {window.as_of}.",
            hint="run the features DAG for the window, or move as_of.",
        )
    known = {*features.keys, *(feature.name for feature in features.inputs)}
    further = [name for name in dict.fromkeys((*window.problem.value.columns, *window.beside)) if name not in known]
    fields = [feature.name for feature in features.request_fields]
    _check_columns(connection, files.days["entities"], [*further, *fields])
    _load_entities(connection, files.days, window, features.keys)
    cut = _leave_out_cut_lists(connection, window)
    counts = _counts(connection, window, cut)
    _check_counts(counts, window)
    computed = request_features(connection, features)
    before, after = ("request_id", "event_timestamp", *features.keys), (*further, window.label, "held_out")
    keys, rest = ([f'entity."{name}"' for name in names if name not in fields] for names in (before, after))
    joined = known_at(features.views, files, "labelled", keys, [*sent(features, computed), *rest])
    connection.execute(f"CREATE TABLE training_set AS {finished(joined, features, computed, before, after)}")
    counts |= _labels(connection, window, counts)
    if files.days.get(FEEDBACK):
        counts["told"] = _told(connection)
    paths = {}
    # A file that nobody can be fitted on by mistake: what the problem itself reads stays.
    unseen = [name for name in window.beside if name not in window.problem.value.columns]
    for name, condition, without in (("train", "NOT held_out", unseen), ("holdout", "held_out", [])):
        paths[f"{name}.parquet"] = path = folder / f"{name}.parquet"
        left = quoted("held_out", *without)
        rows = f"SELECT * EXCLUDE ({left}) FROM training_set WHERE {condition} ORDER BY event_timestamp, request_id"
        connection.execute(copy(rows, path))
    instants = same_instant(connection, features.views, files, "labelled")
    warned = warnings(int(counts["rows"]), int(counts["answered"]), int(counts["at_once"]), instants)
    return Outcome({**counts, "same_instant": instants, "warnings": warned}, paths)


def _require_sets(features: Features, days: Mapping[str, Result], window: Window) -> None:
    """Raises DataError for a feature set of which no day is published: all of its features would be missing, without a word."""
    for owner in features.owners:
        if not days_of(days, owner):
            raise DataError(
                f"No day of the feature set {owner!r} is published in the {window.window_days} days before {window.as_of}, nor "
                "before them in reach of its views.",
                seen=[view.name for view in features.shared if view.set == owner],
                safe="no snapshot was made; the champion stays.",
                hint=f"run its DAG for the window ({owner}_features, or {owner}_features_range), then clear the task.",
            )


def _load_entities(connection: duckdb.DuckDBPyConnection, files: DailyFiles, window: Window, keys: Sequence[str]) -> None:
    """Table `asked`: the window's entity rows with their label, if it had arrived by `as_of`, else NULL.

    A label that was corrected later, on another day, counts from then on; one that a caller has sent (table `sent`) where none
    had landed. Requests of withdrawn versions are left out.
    Table `labelled`: those of them that may be learned from; a label that was known when its row was asked is none of it.
    """
    label = f'"{window.label}"'
    gone = files.get(WITHDRAWN, ())
    left_out = f"ANTI JOIN {parquet(gone)} AS gone ON {matches(gone[0], keys)}" if gone else ""
    try:
        connection.execute(f"""
            CREATE TABLE known AS SELECT request_id, {label}::{window.problem.sql_type} AS {label}, label_timestamp AS {TOLD}
            FROM {parquet(files["labels"])}
            WHERE label_timestamp <= TIMESTAMP '{window.as_of}' AND {label} IS NOT NULL
            QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY label_timestamp DESC) = 1
        """)
    except duckdb.ConversionException as error:
        raise DataError(
            f"The label {window.label!r} of published days is not {window.problem.label_words}.",
            seen=str(error)[:300],
            safe="no snapshot was made; the champion stays.",
            hint="backfill the features DAG over the window: its days were published with another kind of label.",
        ) from error
    connection.execute("CREATE TABLE sent (request_id VARCHAR)")
    for path in files.get(FEEDBACK, ()):
        connection.execute(f"""
            INSERT INTO sent SELECT request_id FROM {parquet([path])} ANTI JOIN known USING (request_id)
            WHERE label_timestamp <= TIMESTAMP '{window.as_of}'
        """)
        connection.execute(f"""
            INSERT INTO known SELECT request_id, {label}::{window.problem.sql_type}, label_timestamp
            FROM {parquet([path])} SEMI JOIN sent USING (request_id)
        """)
    connection.execute(f"""
        CREATE TABLE asked AS SELECT entity.*, {label}, coalesce({TOLD} < event_timestamp, false) AS {ANSWERED},
            coalesce({TOLD} = event_timestamp, false) AS {AT_ONCE}
        FROM {parquet(files["entities"])} AS entity LEFT JOIN known USING (request_id) {left_out}
        WHERE event_timestamp < TIMESTAMP '{window.as_of}'
            AND event_timestamp >= TIMESTAMP '{window.as_of}' - INTERVAL {window.window_days} DAY
    """)
    connection.execute(f"""
        CREATE TABLE labelled AS SELECT *, event_timestamp >= least(
            TIMESTAMP '{window.as_of}', date_trunc('day', max(event_timestamp) OVER ()) + INTERVAL 1 DAY
        ) - INTERVAL {window.holdout_days} DAY AS held_out
        FROM asked WHERE {label} IS NOT NULL AND NOT {ANSWERED}
    """)


def _counts(connection: duckdb.DuckDBPyConnection, window: Window, cut: Mapping[str, int]) -> dict[str, Any]:
    row = connection.execute(f"""
        SELECT count(*) AS rows, count(*) FILTER (held_out) AS holdout_rows,
            coalesce(strftime(min(event_timestamp), '{TIME_FORMAT}'), '') AS first,
            coalesce(strftime(max(event_timestamp), '{TIME_FORMAT}'), '') AS last,
            (SELECT count(*) FROM asked WHERE NOT {ANSWERED}) - count(*) - {cut.get("cut", 0)} AS unlabelled,
            (SELECT count(*) FROM asked WHERE {ANSWERED}) AS answered,
            count(*) FILTER ({AT_ONCE}) AS at_once,
            count(*) - count(DISTINCT request_id) AS repeated,
            (SELECT count(*) FROM known) AS labels
        FROM labelled
    """)
    names = [column[0] for column in row.description]
    counts: dict[str, Any] = dict(zip(names, row.fetchall()[0], strict=True))
    return {**counts, **cut, "as_of": window.as_of.strftime(TIME_FORMAT)}


def _told(connection: duckdb.DuckDBPyConnection) -> int:
    """How many rows are learned from by a label that a caller has sent."""
    return int(connection.execute("SELECT count(*) FROM labelled SEMI JOIN sent USING (request_id)").fetchall()[0][0])


def _check_counts(counts: Mapping[str, Json], window: Window) -> None:
    """Raises DataError with the counts, and the setting that decides, if nothing can be learned from the rows."""
    seen = {name: count for name, count in counts.items() if isinstance(count, int)}
    what = _nothing_labelled(seen, window) or _too_few(seen, window)
    if what:
        raise _refused(what, seen, window)


def _refused(what: str, seen: Mapping[str, Json], window: Window) -> DataError:
    return DataError(
        f"{what}, in the {window.window_days} days before {window.as_of} (training.window_days).",
        seen=dict(seen),
        safe="no snapshot was made; the champion stays.",
        hint="publish more days, widen the window, move as_of, or check the labels' SQL.",
    )


def _nothing_labelled(seen: dict[str, int], window: Window) -> str:
    if seen["answered"] > seen["rows"]:
        return (
            f"Of {seen['answered'] + seen['rows']} labels {seen['answered']} were known before their row was "
            "asked: a question must be asked before the event that answers it (event_timestamp of the entities' SQL, "
            "label_timestamp of the labels')"
        )
    if seen.get("cut", 0) > seen["rows"]:
        return (
            f"{seen['cut']} rows are of queries {window.problem.query!r} that lie on both sides of the cut, and only "
            f"{seen['rows']} of others: a query must be over within a day or so, such as a session"
        )
    if seen["rows"]:
        return ""
    if not seen["unlabelled"]:
        return "No row was asked"
    if not seen["labels"]:
        return f"Every label {window.label!r} is null or has not arrived: {seen['unlabelled']} rows without one"
    return f"None of {seen['unlabelled']} rows has a label {window.label!r} by then"


def _too_few(seen: dict[str, int], window: Window) -> str:
    held_out, older = seen["holdout_rows"], seen["rows"] - seen["holdout_rows"]
    if seen["repeated"]:
        return f"{seen['repeated']} rows repeat another row's request_id"
    if seen["rows"] < window.minimum_rows:
        return f"Only {seen['rows']} labelled rows, fewer than training.minimum_rows = {window.minimum_rows}"
    if not held_out or not older:
        return f"training.holdout_days = {window.holdout_days} leaves {older} rows to train on and {held_out} held out"
    return ""


def _labels(connection: duckdb.DuckDBPyConnection, window: Window, counts: Mapping[str, Json]) -> dict[str, Json]:
    """What the labels of both parts are like. Raises DataError where they tell nothing, or are none of the problem's."""
    problem, found = window.problem, {}
    columns = quoted(*dict.fromkeys((window.label, TIME, *problem.value.columns)))
    for part, held_out in (("train", "NOT held_out"), ("holdout", "held_out")):
        truth = _truth(connection, f"SELECT {columns} FROM training_set WHERE {held_out}", window)
        what = problem.too_few(truth, 1)
        if what:
            words = "to train on" if part == "train" else "held out"
            raise _refused(f"The labels {window.label!r} of the rows {words} tell nothing: {what}", counts, window)
        found[part] = problem.described(truth)
        _check_absent(problem.absent(truth) if part == "train" else (), found[part], window)
    if isinstance(problem.value, Binary):
        return {"positives": found["train"]["positives"] + found["holdout"]["positives"],
                "holdout_positives": found["holdout"]["positives"]}  # fmt: skip
    return {"described": found}


def _truth(connection: duckdb.DuckDBPyConnection, rows: str, window: Window) -> Truth:
    """What `_labels` asks of some rows. Of labels that are places their counts say it: only others are all held at once."""
    if not isinstance(window.problem.value, Binary | MultiClass):
        return window.problem.truth(connection.sql(rows).to_arrow_table(), window.label)
    counts = LabelCounts(window.problem, window.label)
    with connection.sql(rows).to_arrow_reader(BATCH) as batches:
        for batch in batches:
            counts.add(pa.Table.from_batches([batch]))
    return counts.whole


def _check_absent(absent: Sequence[str], seen: Mapping[str, Json], window: Window) -> None:
    if absent:
        raise DataError(
            f"Classes of {window.label!r} that the spec has, and no row to train on: {', '.join(map(repr, absent[:5]))}"
            f"{' and others' if len(absent) > 5 else ''}. A model cannot learn them.",
            seen=dict(seen),
            safe="no snapshot was made; the champion stays.",
            hint="widen training.window_days, or take them out of the classes of the spec's problem.",
        )


def _check_columns(connection: duckdb.DuckDBPyConnection, files: Sequence[str | Path], further: Sequence[str]) -> None:
    """Raises DataError where a published day lacks a column that the problem or an expression reads."""
    for path in files if further else ():
        seen = connection.sql(f"SELECT * FROM {parquet([path])} LIMIT 0").columns
        missing = [name for name in further if name not in seen]
        if missing:
            raise DataError(
                f"A published day has no column {missing[0]!r}, which the problem, an expression or fairness reads.",
                seen=seen,
                safe="no snapshot was made; the champion stays.",
                hint="select it in features.entities, and backfill the features DAG over the window.",
            )


def _leave_out_cut_lists(connection: duckdb.DuckDBPyConnection, window: Window) -> dict[str, int]:
    """Rows of one list are never apart: half a list, learned from, would tell of the other half, which is measured.

    Lists on both sides of the cut are taken out of `labelled`. Returns how many rows that were; nothing where there are no lists.
    """
    if not window.problem.query:
        return {}
    name = f'"{window.problem.query}"'
    before = _rows(connection)
    connection.execute(f"""
        DELETE FROM labelled WHERE {name} IN (
            SELECT {name} FROM labelled GROUP BY {name} HAVING bool_or(held_out) AND NOT bool_and(held_out)
        )
    """)
    return {"cut": before - _rows(connection)}


def _rows(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT count(*) FROM labelled").fetchall()[0][0])
