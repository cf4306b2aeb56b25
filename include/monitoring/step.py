"""Step `monitor`: one window of a champion's predictions, judged: data quality, drift, performance; and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.adapters import adapter
from include.core.request import Json, Outcome
from include.core.spec import Feature, Features
from include.core.task import Task
from include.monitoring.drift import DriftVerdict, judge
from include.monitoring.performance import Baseline, Performance, landed, measure
from include.monitoring.profile import Profile, profile, to_json
from include.monitoring.quality import Quality, inspect
from include.monitoring.reference import Reference
from include.monitoring.report import sample, verdict_html
from include.monitoring.window import moment


def run(task: Task) -> Outcome:
    """Inputs `collect` and the champion's `training_set`. Writes `report.html` and `profile.json`.

    Params: `monitoring`, `features`, `label`; optional `metric`, `slices`, `champion` (its version) and
    `holdout_metrics` {metric: value}, without which performance has nothing to be compared with.
    Value: `window`, `as_of`, `champion`, `quality`, `drift`, `performance`, `words`.
    """
    params = task.params
    features = Features.model_validate(params["features"]).inputs
    collected = dict(task.input("collect").value)
    predictions = pq.read_table(task.file("collect", "predictions.parquet"))
    training = _training(task, features)
    made = moment(task.input("training_set").value["as_of"])
    reference = Reference.of(training, features, timedelta(days=params["monitoring"]["window_days"]), made)
    here = profile(_present(predictions, collected), reference.axes)
    quality = inspect(here, reference, collected)
    minimum = params["monitoring"]["minimum_rows"]
    drift = judge(here, predictions.num_rows, reference, minimum_rows=minimum, set_aside=quality.columns)
    performance = _performance(predictions, params, dict(task.input("training_set").value), minimum)
    value = _value(task, collected, quality, drift, performance)
    files = {"profile.json": task.workdir / "profile.json", "report.html": task.workdir / "report.html"}
    files["profile.json"].write_text(json.dumps(_profiles(reference, here)))
    report = adapter("drift_report")
    files["report.html"].write_text(
        report(sample(predictions), sample(training), features, verdict_html(task.request.model, value))
    )
    return Outcome(value, files)


def _training(task: Task, features: tuple[Feature, ...]) -> pa.Table:
    """All rows known when the champion was made, holdout included: what is usual is no secret of training."""
    parts = [pq.read_table(task.file("training_set", f"{name}.parquet")) for name in ("train", "holdout")]
    names = [name for name in ("event_timestamp", *(feature.name for feature in features)) if name in parts[0].column_names]
    return pa.concat_tables([part.select(names) for part in parts], promote_options="permissive")


def _present(predictions: pa.Table, collected: Mapping[str, Any]) -> pa.Table:
    """Without the inputs that no record carried: those are absent, not missing."""
    return predictions.drop_columns([name for name in collected["absent_columns"] if name in predictions.column_names])


def _performance(predictions: pa.Table, params: Mapping[str, Any], training_set: Mapping[str, Any], minimum: int) -> Performance:
    baseline = Baseline(params.get("holdout_metrics") or {}, int(training_set["holdout_rows"]))
    rows = landed(predictions, params.get("champion"))
    return measure(rows, params.get("metric", "auc"), baseline, params.get("slices", ()), minimum)


def _value(
    task: Task, collected: dict[str, Any], quality: Quality, drift: DriftVerdict, performance: Performance
) -> dict[str, Json]:
    training_set, version = task.input("training_set").value, task.params.get("champion")
    rows = int(training_set["rows"]) - int(training_set["holdout_rows"])
    broken = [issue.words for issue in quality.issues]
    return {
        "window": collected["window"],
        "as_of": collected["as_of"],
        "champion": {"version": version, "data_until": training_set["as_of"], "rows": rows} if version is not None else None,
        "collected": collected,
        "quality": quality.to_json(),
        "drift": drift.to_json(),
        "performance": performance.to_json(),
        "words": [*(broken or ["The data are whole."]), drift.words, performance.words],
    }


def _profiles(reference: Reference, here: Profile) -> dict[str, Json]:
    return to_json(reference.axes, {"window": here, **reference.past})
