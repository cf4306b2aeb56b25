"""Step `training_set`: what was known at `as_of`, joined point in time, as one immutable snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from include.core.errors import DataError
from include.core.request import Outcome
from include.core.spec import Features
from include.core.task import Task
from include.core.time import parse_time
from include.data.session import open_session
from include.data.sql import copy, parquet
from include.features.skew.own_event import same_instant, warnings
from include.features.withdrawn_step import INPUT as WITHDRAWN
from include.features.withdrawn_step import matches
from include.point_in_time.join import value
from include.point_in_time.known import KnownFiles, checked_version, known_at, known_files
from include.point_in_time.partition import DailyFiles, results

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
TOLD, ANSWERED, AT_ONCE = '"_told"', '"_answered"', '"_at_once"'  # SQL names that no author's column can have


@dataclass(frozen=True)
class Window:
    """Which rows: asked within `window_days` before `as_of`, labelled by then; the newest `holdout_days` apart."""

    as_of: datetime  # UTC, without zone
    window_days: int
    holdout_days: int
    minimum_rows: int
    label: str

    @property
    def start(self) -> datetime:
        """No row that was asked before is in it."""
        return self.as_of - timedelta(days=self.window_days)


def run(task: Task) -> Outcome:
    """Writes `train.parquet` and `holdout.parquet`; a value of counts and view versions. Inputs: a published day each, those
    of the window and before it those whose values may still stand in it (include/point_in_time/known.py); and `withdrawn`
    (include/features/withdrawn_step.py) where its requests are to be left out.

    Columns: request_id, event_timestamp, keys, features, label (int8). The same inputs give the same bytes.
    Raises DataError where the rows cannot be trained on: none, unlabelled, one class, too few, two definitions of a view.
    """
    params = task.params
    window = Window(
        parse_time(params["as_of"]), params["window_days"], params["holdout_days"], params["minimum_rows"], params["label"]
    )
    inputs = dict(task.request.inputs)
    left_out = inputs.pop(WITHDRAWN, None)
    days = results(task.ledger, inputs)
    features = Features.model_validate(params["features"])
    views = checked_version(features.views, days, window.start)
    with open_session() as connection:
        files = known_files(task.ledger, features.views, days, window.start, task.workdir / "inputs")
        if left_out is not None:
            files.days[WITHDRAWN] = [str(task.file(WITHDRAWN, f"{WITHDRAWN}.parquet"))]
        outcome = build(connection, features, window, files, task.workdir)
    newest = days[max(days)].value.get("definitions", {}) if days else {}
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
    _load_entities(connection, files.days, window, features.keys)
    counts = _counts(connection, window)
    _check_counts(counts, window)
    keys = (f'entity."{name}"' for name in ("request_id", "event_timestamp", *features.keys))
    own = (value(f'entity."{feature.name}"', feature) for feature in features.request)
    joined = known_at(features.views, files, "labelled", [*keys], [*own, f'entity."{window.label}"', "entity.held_out"])
    connection.execute(f"CREATE TABLE training_set AS {joined}")
    paths = {}
    for name, condition in (("train", "NOT held_out"), ("holdout", "held_out")):
        paths[f"{name}.parquet"] = path = folder / f"{name}.parquet"
        rows = f"SELECT * EXCLUDE (held_out) FROM training_set WHERE {condition} ORDER BY event_timestamp, request_id"
        connection.execute(copy(rows, path))
    instants = same_instant(connection, features.views, files, "labelled")
    warned = warnings(int(counts["rows"]), int(counts["answered"]), int(counts["at_once"]), instants)
    return Outcome({**counts, "same_instant": instants, "warnings": warned}, paths)


def _load_entities(connection: duckdb.DuckDBPyConnection, files: DailyFiles, window: Window, keys: Sequence[str]) -> None:
    """Table `asked`: the window's entity rows with their label, if it had arrived by `as_of`, else NULL.

    A label that was corrected later, on another day, counts from then on. Requests of withdrawn versions are left out.
    Table `labelled`: those of them that may be learned from; a label that was known when its row was asked is none of it.
    """
    label = f'"{window.label}"'
    gone = files.get(WITHDRAWN, ())
    left_out = f"ANTI JOIN {parquet(gone)} AS gone ON {matches(gone[0], keys)}" if gone else ""
    connection.execute(f"""
        CREATE TABLE known AS SELECT request_id, {label}::TINYINT AS {label}, label_timestamp AS {TOLD}
        FROM {parquet(files["labels"])}
        WHERE label_timestamp <= TIMESTAMP '{window.as_of}' AND {label} IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY label_timestamp DESC) = 1
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


def _counts(connection: duckdb.DuckDBPyConnection, window: Window) -> dict[str, int | str]:
    label = f'"{window.label}"'
    row = connection.execute(f"""
        SELECT count(*) AS rows, coalesce(sum({label}), 0)::BIGINT AS positives,
            count(*) FILTER (held_out) AS holdout_rows,
            coalesce(sum({label}) FILTER (held_out), 0)::BIGINT AS holdout_positives,
            coalesce(strftime(min(event_timestamp), '{TIME_FORMAT}'), '') AS first,
            coalesce(strftime(max(event_timestamp), '{TIME_FORMAT}'), '') AS last,
            (SELECT count(*) FROM asked WHERE NOT {ANSWERED}) - count(*) AS unlabelled,
            (SELECT count(*) FROM asked WHERE {ANSWERED}) AS answered,
            count(*) FILTER ({AT_ONCE}) AS at_once,
            count(*) - count(DISTINCT request_id) AS repeated,
            (SELECT count(*) FROM known) AS labels
        FROM labelled
    """)
    names = [column[0] for column in row.description]
    counts: dict[str, int | str] = dict(zip(names, row.fetchall()[0], strict=True))
    return {**counts, "as_of": window.as_of.strftime(TIME_FORMAT)}


def _check_counts(counts: dict[str, int | str], window: Window) -> None:
    """Raises DataError with the counts, and the setting that decides, if nothing can be learned from the rows."""
    seen = {name: count for name, count in counts.items() if isinstance(count, int)}
    what = _nothing_labelled(seen, window) or _too_few(seen, window) or _one_class(seen, window)
    if what:
        raise DataError(
            f"{what}, in the {window.window_days} days before {window.as_of} (training.window_days).",
            seen=seen,
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


def _one_class(seen: dict[str, int], window: Window) -> str:
    held_out, late = seen["holdout_rows"], seen["holdout_positives"]
    older, positives = seen["rows"] - held_out, seen["positives"] - late
    if positives in (0, older) or late in (0, held_out):
        return (
            f"One class only of {window.label!r}: {positives} of {older} rows positive to train on, {late} of {held_out} held out"
        )
    return ""
