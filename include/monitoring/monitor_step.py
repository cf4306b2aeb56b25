"""Step `monitor`: one window of a champion's predictions, judged: data quality, drift, performance; and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError, IntegrityError
from include.core.request import Outcome
from include.core.spec import Feature, Features
from include.core.task import Task
from include.data.window import Window, moment
from include.monitoring.drift.drift import DriftVerdict, judge
from include.monitoring.drift.drift_type import DriftType, drift_types
from include.monitoring.drift_report import drift_report
from include.monitoring.fairness import watched
from include.monitoring.people import FILE
from include.monitoring.performance.comparison import Baseline, Performance, landed, measure
from include.monitoring.performance.estimate_calibration import Estimate, believe, lag, nothing, record
from include.monitoring.performance.estimation import estimate
from include.monitoring.performance.known_rows import labels, said
from include.monitoring.performance.realised import RealisedPerformance, assess
from include.monitoring.performance.shadow_comparison import Comparison, comparisons
from include.monitoring.performance.terms import Terms, terms_from
from include.monitoring.profile.binning import axes
from include.monitoring.profile.prediction_columns import RESIDUAL, SLOPE, answer_columns, appended
from include.monitoring.profile.profile_file import read_profiles, write_profiles
from include.monitoring.profile.profiles import Parts, merge_profiles, profile_parts
from include.monitoring.quality import Quality, inspect
from include.monitoring.reference import TIME, Reference, clocks, cut
from include.monitoring.reference_step import PARTS, every
from include.monitoring.report import sample, verdict_html
from include.problems.label_columns import numbered
from include.problems.truth import Truth
from include.step_values.monitoring import CollectValue, MonitorValue, WatchedFairness

EVENT_TIME = "event_time"


@dataclass(frozen=True)
class Before:
    """The champion's past as the window meets it. `value`: of its training set. `gone`: why nothing is known, if so."""

    reference: Reference
    value: Mapping[str, Any]
    drawn: pa.Table
    center: float | None = None
    holdout: pa.Table | None = None
    gone: str = ""


@dataclass(frozen=True)
class Judged:
    quality: Quality
    drift: DriftVerdict
    drift_types: Mapping[str, DriftType]
    realised: RealisedPerformance
    estimate: Estimate
    comparisons: tuple[Comparison, ...] = ()


def run(task: Task) -> Outcome:
    """Inputs `collect`, the champion's `training_set` and its `reference`. Writes `report.html` and `profile.parquet`.

    Without `reference` the training set's own rows are profiled here, and nothing is known of the champion's answers.
    Params: `monitoring`, `features`, `label`, `metric`, `threshold` (`serving.threshold`); optional `problem`, `slices`,
    `champion` (its version), `holdout_metrics` {metric: value}, without which performance has nothing to be compared with,
    `holdout_threshold` (from which score on a decision was yes in them), and `history` (see `realised.history`), without
    which an estimate before labels stands on the holdout's own windows alone.
    Value: `window`, `as_of`, `threshold`, `champion`, `quality`, `drift`, `kinds`, `performance`, `landing` (of the labels),
    `estimate` (before them), `earlier` (windows judged again), `comparisons` (with shadows), `words`; and, with the param
    `fairness` (the spec's section), the key of the same name (include/monitoring/fairness.py).
    """
    params = task.params
    features = Features.model_validate(params["features"]).inputs
    collected = task.input("collect").read(CollectValue)
    predictions = pq.read_table(task.file("collect", "predictions.parquet"))
    before = _before(task, features, moment(collected["window"].split("/")[0]))
    parts = _parts(predictions, collected, before, params)
    judged = _judged(task, predictions, before, parts)
    value = _value(params, collected, judged, before)
    if "fairness" in params:
        value["fairness"] = _fairness(task, predictions, judged)
        value["words"].append(value["fairness"]["words"])
    files = {name: task.workdir / name for name in ("profile.parquet", "report.html")}
    write_profiles(files["profile.parquet"], before.reference.axes, parts, {"window": collected["window"]})
    head = verdict_html(task.request.model, value)
    files["report.html"].write_text(drift_report(sample(predictions), before.drawn, features, head))
    return Outcome(value, files)


def _before(task: Task, features: tuple[Feature, ...], start: datetime) -> Before:
    """The stored reference, or the training set profiled now. One that is gone takes drift with it, and nothing else."""
    days = int(task.params["monitoring"]["window_days"])
    try:
        if "reference" not in task.request.inputs:
            return _profiled(task, features, days, start)
        stored = read_profiles(task.file("reference", "reference.parquet"))
        drawn = pq.read_table(task.file("reference", "sample.parquet"))
        held = pq.read_table(task.file("reference", "holdout.parquet")) if stored.facts["center"] is not None else None
    except (DataError, IntegrityError, FileNotFoundError) as error:
        empty = Reference((), {})
        return Before(empty, _trained(task), pa.table({}), gone=f"The champion's reference is gone: {str(error).splitlines()[0]}")
    value = task.input("reference").value
    past = cut(stored.parts, days, moment(value["as_of"]), start)
    facts = stored.facts
    reference = Reference(stored.axes, past, tuple(facts["clocks"]), facts["rows"], facts["importance"])
    return Before(reference, value, drawn, facts["center"], held)


def _profiled(task: Task, features: tuple[Feature, ...], days: int, start: datetime) -> Before:
    rows = every([pq.read_table(task.file("training_set", f"{name}.parquet")) for name in PARTS], features)
    value = task.input("training_set").value
    found = axes(features, rows)
    past = cut(profile_parts(rows, found, TIME), days, moment(value["as_of"]), start)
    return Before(Reference(tuple(found), past, clocks(rows, found), rows.num_rows), value, sample(rows))


def _trained(task: Task) -> Mapping[str, Any]:
    """The training set's value; unknown where that is gone too."""
    try:
        return task.input("training_set").value
    except DataError:
        return {"rows": 0, "holdout_rows": 0, "as_of": task.input("collect").value["as_of"]}


def _parts(predictions: pa.Table, collected: CollectValue, before: Before, params: Mapping[str, Any]) -> Parts:
    """Daily profiles of the window, by segment too: its inputs, as far as the log holds them, and what the champion answered."""
    unknown = {*collected["absent_columns"], *collected.get("redacted", ())}
    absent = [name for name in predictions.column_names if name in unknown]
    present = appended(predictions.drop_columns(absent), _answers(predictions, before, params))
    return profile_parts(present, before.reference.axes, EVENT_TIME, params.get("slices", ()))


def _answers(predictions: pa.Table, before: Before, params: Mapping[str, Any]) -> dict[str, pa.Array]:
    """What was said and the residual only where the champion itself answered in full; NaN elsewhere."""
    problem = terms_from(params).problem
    query = None if problem.query is None else numbered(predictions[problem.query])
    known = Truth(labels(predictions, problem), query=query)
    own = np.where(_mine(predictions, params).reshape(-1, *[1] * (len(problem.shape(1)) - 1)), said(predictions, problem), np.nan)
    columns = answer_columns(problem, known, own, before.center or 0.0, predictions["label"])
    return columns if before.center is not None else {name: v for name, v in columns.items() if name not in (RESIDUAL, SLOPE)}


def _answered(predictions: pa.Table, params: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """The rows [n] that the champion answered in full."""
    score = predictions["score"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    found: npt.NDArray[np.bool_] = _mine(predictions, params) & np.isfinite(score)
    return found


def _mine(predictions: pa.Table, params: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """The rows [n] that are the champion's, none of them degraded."""
    champion = params.get("champion")
    version = predictions["version"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    mine = ~np.asarray(predictions["degraded"].to_numpy(zero_copy_only=False), dtype=bool)
    found: npt.NDArray[np.bool_] = mine & ((version == champion) if champion is not None else True)
    return found


def _judged(task: Task, predictions: pa.Table, before: Before, parts: Parts) -> Judged:
    params, collected = task.params, task.input("collect").read(CollectValue)
    here = merge_profiles([rows for (_, segment), rows in sorted(parts.items()) if not segment])
    inputs = {name for name in here if not name.startswith("(")}
    reference, minimum = before.reference, int(params["monitoring"]["minimum_rows"])
    watched = reference.only(*(axis.name for axis in reference.axes if not axis.name.startswith("(")))
    quality = inspect({name: here[name] for name in inputs}, watched, {**collected, **_clock(predictions)})
    if before.gone:
        drift = DriftVerdict("abstain", before.gone)
    else:
        hidden = dict.fromkeys(collected.get("redacted", ()), "serving.redact keeps it out of the log")
        aside = {**quality.columns, **hidden}
        drift = judge(here, predictions.num_rows, watched, minimum_rows=minimum, set_aside=aside)
    champion = params.get("champion")
    terms = terms_from(params)
    known = _realised(task, predictions, before, terms)
    counts = {
        "rows": predictions.num_rows,
        "labelled": int(collected["labelled"]),
        "due": int(np.ceil(known.landing.landed + known.landing.coming)),
        "answered": int(_answered(predictions, params).sum()),
        "own": landed(predictions, champion).num_rows,
    }
    found = drift_types(here, counts, reference, quality, drift, minimum, terms.problem)
    shadows = tuple(comparisons(_beside(task, "shadow"), champion, terms))
    return Judged(quality, drift, found, known, _estimate(task, predictions, before, known, terms), shadows)


def _realised(task: Task, predictions: pa.Table, before: Before, terms: Terms) -> RealisedPerformance:
    params = task.params
    rows, threshold = int(before.value["holdout_rows"]), params.get("holdout_threshold")
    baseline = Baseline(params.get("holdout_metrics") or {}, rows, before.holdout, threshold)
    needed = float(params["monitoring"]["labels_needed"])
    window = Window(*map(moment, task.input("collect").value["window"].split("/")))

    def measured(rows: pa.Table) -> Performance:
        return measure(rows, baseline, params.get("slices", ()), terms)

    return assess(window, predictions, _beside(task, "earlier"), params.get("champion"), measured, needed)


def _estimate(task: Task, predictions: pa.Table, before: Before, known: RealisedPerformance, terms: Terms) -> Estimate:
    """The window's performance before its labels, from the champion's holdout and the record of such estimates."""
    name, reference = task.input("collect").value["window"], before.reference
    if before.holdout is None:
        return nothing("The champion's holdout was not kept.", terms)
    own = predictions.filter(pa.array(_answered(predictions, task.params)))
    unknown = {*reference.clocks, *task.input("collect").read(CollectValue).get("redacted", ())}
    inputs = [axis for axis in reference.axes if not axis.name.startswith("(") and not {axis.name, axis.column} & unknown]
    raw = estimate(before.holdout, own, inputs, terms)
    past = record(before.value.get("backtest", ()), task.params.get("history", ()), known.by_window)
    return believe(raw, past, terms, lag(name, past))


def _beside(task: Task, name: str) -> pa.Table:
    """What `collect` wrote beside the predictions."""
    return pq.read_table(task.file("collect", f"{name}.parquet"))


def _fairness(task: Task, predictions: pa.Table, judged: Judged) -> WatchedFairness:
    """How groups of people were treated by the champion's own answers, in the window and in one before whose labels have come."""
    earlier, params = _beside(task, "earlier"), task.params
    mine = _answered(predictions, params), _answered(earlier, params)
    people = _beside(task, FILE)
    return watched(predictions, earlier, people, mine, judged.realised, terms_from(params).problem, params)


def _clock(predictions: pa.Table) -> dict[str, int]:
    """Labels that are older than what they label: one of the two clocks is wrong."""
    times = [predictions[name].cast(pa.timestamp("us")).cast(pa.int64()) for name in ("label_timestamp", EVENT_TIME)]
    known = predictions["label_timestamp"].is_valid().to_numpy()
    label, event = (np.asarray(column.fill_null(0).to_numpy()) for column in times)
    return {"labels_before_request": int((label < event)[known].sum())}


def _value(params: Mapping[str, Any], collected: CollectValue, judged: Judged, before: Before) -> MonitorValue:
    version, training_set, known = params.get("champion"), before.value, judged.realised
    rows = int(training_set["rows"]) - int(training_set["holdout_rows"])
    broken = [issue.summary for issue in judged.quality.issues]
    beside = [
        found.summary for name, found in judged.drift_types.items() if name in ("label", "concept") and found.verdict == "drift"
    ]
    value: MonitorValue = {
        "window": collected["window"],
        "as_of": collected["as_of"],
        "threshold": params["threshold"],
        "champion": {"version": version, "data_until": training_set["as_of"], "rows": rows} if version is not None else None,
        "collected": collected,
        "quality": judged.quality.to_json(),
        "drift": judged.drift.to_json(),
        "kinds": {name: found.to_json() for name, found in judged.drift_types.items()},
        "performance": known.performance.to_json(),
        "landing": known.landing.to_json(),
        "earlier": known.earlier_json(),
        "estimate": judged.estimate.to_json(),
        "comparisons": [found.to_json() for found in judged.comparisons],
        "words": [*(broken or ["The data are whole."]), judged.drift.summary, *beside, *_sentences(judged)],
    }
    if "problem" in params:
        value["problem"] = params["problem"]
    return value


def _sentences(judged: Judged) -> list[str]:
    """Performance as far as labels tell it; the estimate where they do not; the shadows beside."""
    measured = judged.realised.performance
    open_ = measured.verdict == "abstain" or bool(measured.window)
    return [measured.summary, *([judged.estimate.summary] if open_ else []), *(found.summary for found in judged.comparisons)]
