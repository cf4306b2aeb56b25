"""Step `monitor`: one window of a champion's predictions, judged: data quality, drift, performance; and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.adapters import adapter
from include.core.errors import DataError, IntegrityError
from include.core.request import Json, Outcome
from include.core.spec import Feature, Features
from include.core.task import Task
from include.monitoring.answers import RESIDUAL, SLOPE, answers, appended
from include.monitoring.axis import axes
from include.monitoring.drift import DriftVerdict, judge
from include.monitoring.kind import Kind, kinds
from include.monitoring.metric import THRESHOLD
from include.monitoring.performance import Baseline, Performance, landed, measure
from include.monitoring.profile import Parts, merge_profiles, profile_parts
from include.monitoring.profile_file import read_profiles, write_profiles
from include.monitoring.quality import Quality, inspect
from include.monitoring.reference import TIME, Reference, clocks, cut
from include.monitoring.reference_step import PARTS, every
from include.monitoring.report import sample, verdict_html
from include.monitoring.slice import Terms
from include.monitoring.window import moment

EVENT_TIME = "event_time"


@dataclass(frozen=True)
class Before:
    """The champion's past as the window meets it. `value`: of its training set. `gone`: why nothing is known, if so."""

    reference: Reference
    value: Mapping[str, Json]
    drawn: pa.Table
    center: float | None = None
    gone: str = ""


@dataclass(frozen=True)
class Judged:
    quality: Quality
    drift: DriftVerdict
    kinds: Mapping[str, Kind]
    performance: Performance


def run(task: Task) -> Outcome:
    """Inputs `collect`, the champion's `training_set` and its `reference`. Writes `report.html` and `profile.parquet`.

    Without `reference` the training set's own rows are profiled here, and nothing is known of the champion's answers.
    Params: `monitoring`, `features`, `label`; optional `metric`, `slices`, `champion` (its version) and
    `holdout_metrics` {metric: value}, without which performance has nothing to be compared with.
    Value: `window`, `as_of`, `champion`, `quality`, `drift`, `kinds`, `performance`, `words`.
    """
    params = task.params
    features = Features.model_validate(params["features"]).inputs
    collected = dict(task.input("collect").value)
    predictions = pq.read_table(task.file("collect", "predictions.parquet"))
    before = _before(task, features, moment(collected["window"].split("/")[0]))
    parts = _parts(predictions, collected, before, params)
    judged = _judged(predictions, collected, before, parts, params)
    value = _value(params, collected, judged, before)
    files = {name: task.workdir / name for name in ("profile.parquet", "report.html")}
    write_profiles(files["profile.parquet"], before.reference.axes, parts, {"window": collected["window"]})
    head = verdict_html(task.request.model, value)
    files["report.html"].write_text(adapter("drift_report")(sample(predictions), before.drawn, features, head))
    return Outcome(value, files)


def _before(task: Task, features: tuple[Feature, ...], start: datetime) -> Before:
    """The stored reference, or the training set profiled now. One that is gone takes drift with it, and nothing else."""
    days = int(task.params["monitoring"]["window_days"])
    try:
        if "reference" not in task.request.inputs:
            return _profiled(task, features, days, start)
        stored = read_profiles(task.file("reference", "reference.parquet"))
        drawn = pq.read_table(task.file("reference", "sample.parquet"))
    except (DataError, IntegrityError, FileNotFoundError) as error:
        empty = Reference((), {})
        return Before(empty, _trained(task), pa.table({}), gone=f"The champion's reference is gone: {str(error).splitlines()[0]}")
    value = task.input("reference").value
    past = cut(stored.parts, days, moment(value["as_of"]), start)
    facts = stored.facts
    reference = Reference(stored.axes, past, tuple(facts["clocks"]), facts["rows"], facts["importance"])
    return Before(reference, value, drawn, facts["center"])


def _profiled(task: Task, features: tuple[Feature, ...], days: int, start: datetime) -> Before:
    rows = every([pq.read_table(task.file("training_set", f"{name}.parquet")) for name in PARTS], features)
    value = task.input("training_set").value
    found = axes(features, rows)
    past = cut(profile_parts(rows, found, TIME), days, moment(value["as_of"]), start)
    return Before(Reference(tuple(found), past, clocks(rows, found), rows.num_rows), value, sample(rows))


def _trained(task: Task) -> Mapping[str, Json]:
    """The training set's value; unknown where that is gone too."""
    try:
        return task.input("training_set").value
    except DataError:
        return {"rows": 0, "holdout_rows": 0, "as_of": task.input("collect").value["as_of"]}


def _parts(predictions: pa.Table, collected: Mapping[str, Any], before: Before, params: Mapping[str, Any]) -> Parts:
    """Daily profiles of the window, by segment too: its inputs, and what the champion itself answered."""
    absent = [name for name in collected["absent_columns"] if name in predictions.column_names]
    present = appended(predictions.drop_columns(absent), _answers(predictions, before, params.get("champion")))
    return profile_parts(present, before.reference.axes, EVENT_TIME, params.get("slices", ()))


def _answers(predictions: pa.Table, before: Before, champion: int | None) -> dict[str, Any]:
    """Score and residual only where the champion itself answered in full; NaN elsewhere."""
    label, score = (predictions[name].cast(pa.float64()).to_numpy() for name in ("label", "score"))
    columns = answers(label, _own(predictions, champion, score), before.center or 0.0)
    return columns if before.center is not None else {name: v for name, v in columns.items() if name not in (RESIDUAL, SLOPE)}


def _own(predictions: pa.Table, champion: int | None, score: Any) -> Any:
    version = predictions["version"].cast(pa.float64()).to_numpy()
    mine = ~np.asarray(predictions["degraded"].to_numpy(), dtype=bool)
    return np.where(mine & ((version == champion) if champion is not None else True), score, np.nan)


def _judged(
    predictions: pa.Table, collected: Mapping[str, Any], before: Before, parts: Parts, params: Mapping[str, Any]
) -> Judged:
    here = merge_profiles([rows for (_, segment), rows in sorted(parts.items()) if not segment])
    inputs = {name for name in here if not name.startswith("(")}
    reference, minimum = before.reference, int(params["monitoring"]["minimum_rows"])
    watched = reference.only(*(axis.name for axis in reference.axes if not axis.name.startswith("(")))
    quality = inspect({name: here[name] for name in inputs}, watched, {**collected, **_clock(predictions)})
    if before.gone:
        drift = DriftVerdict("abstain", before.gone)
    else:
        drift = judge(here, predictions.num_rows, watched, minimum_rows=minimum, set_aside=quality.columns)
    champion = params.get("champion")
    own = landed(predictions, champion)
    answered = int(np.isfinite(_own(predictions, champion, predictions["score"].cast(pa.float64()).to_numpy())).sum())
    counts = {"rows": predictions.num_rows, "labelled": int(collected["labelled"]), "answered": answered, "own": own.num_rows}
    baseline = Baseline(params.get("holdout_metrics") or {}, int(before.value["holdout_rows"]))
    terms = Terms(params.get("metric", "auc"), minimum, params.get("threshold", THRESHOLD))
    performance = measure(own, baseline, params.get("slices", ()), terms)
    return Judged(quality, drift, kinds(here, counts, reference, quality, drift, minimum), performance)


def _clock(predictions: pa.Table) -> dict[str, int]:
    """Labels that are older than what they label: one of the two clocks is wrong."""
    times = [predictions[name].cast(pa.timestamp("us")).cast(pa.int64()) for name in ("label_timestamp", EVENT_TIME)]
    known = predictions["label_timestamp"].is_valid().to_numpy()
    label, event = (np.asarray(column.fill_null(0).to_numpy()) for column in times)
    return {"labels_before_request": int((label < event)[known].sum())}


def _value(params: Mapping[str, Any], collected: dict[str, Any], judged: Judged, before: Before) -> dict[str, Json]:
    version, training_set = params.get("champion"), before.value
    rows = int(training_set["rows"]) - int(training_set["holdout_rows"])
    broken = [issue.words for issue in judged.quality.issues]
    beside = [found.words for name, found in judged.kinds.items() if name in ("label", "concept") and found.verdict == "drift"]
    return {
        "window": collected["window"],
        "as_of": collected["as_of"],
        "champion": {"version": version, "data_until": training_set["as_of"], "rows": rows} if version is not None else None,
        "collected": collected,
        "quality": judged.quality.to_json(),
        "drift": judged.drift.to_json(),
        "kinds": {name: found.to_json() for name, found in judged.kinds.items()},
        "performance": judged.performance.to_json(),
        "words": [*(broken or ["The data are whole."]), judged.drift.words, *beside, judged.performance.words],
    }
