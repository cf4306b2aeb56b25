"""What a search came to, as the value of its step: nothing in it depends on clocks, so that a resumed search gives the same."""

from __future__ import annotations

from typing import Any

from include.problems.metric import Metric
from include.step_values.training import TuneValue
from include.training.search.trials import Trial, Trials

DIGITS = 6  # of a metric, as everywhere in results


def value_of(trials: Trials, name: str, metric: Metric) -> TuneValue:
    """`name`: of the metric that chose. At least one trial was measured."""
    best = trials.best()
    assert best is not None
    curve = [(epochs, told(loss, metric)) for epochs, loss in trials.curve]
    return {
        "params": best.params,
        "trials": [_trial(trial, name, metric) for trial in trials],
        "metric": name,
        "best": best.number,
        "epochs": sum(leg.until - leg.start for trial in trials for leg, _ in trial.legs),
        "curve": curve,
    }


def plain(value: TuneValue, name: str) -> TuneValue:
    """As the step's value has been of a grid of values."""
    for trial in value["trials"]:
        if "error" in trial:
            trial.setdefault(name, None)
    kept = (name, "params", "error")
    return {"params": value["params"], "trials": [{k: v for k, v in t.items() if k in kept} for t in value["trials"]]}


def told(loss: float, metric: Metric) -> float:
    """A loss as the metric's own value."""
    return round(-loss if metric.higher_is_better else loss, DIGITS)


def _trial(trial: Trial, name: str, metric: Metric) -> dict[str, Any]:
    legs: list[dict[str, Any]] = []
    for number, (leg, found) in enumerate(trial.legs):
        row: dict[str, Any] = {"until": leg.until}
        if found is not None and found.value is not None:
            row["value"] = told(found.value, metric)
        before = trial.legs[number - 1][0].params if number else trial.params
        changed = {key: each for key, each in leg.params.items() if each != before[key]}
        if changed:  # of the first leg: it began with others than it ended with
            row["params"] = changed
        if trial.donors[number] is not None:
            row["donor"] = trial.donors[number]
        legs.append(row)
    points = trial.points
    shown = {"params": trial.params, name: told(points[-1][1], metric) if points else None}
    failed = {"error": trial.error} if trial.error else {}
    return {**shown, "trial": trial.number, "epochs": trial.reached, "legs": legs, **failed}
