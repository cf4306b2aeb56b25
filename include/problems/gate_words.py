"""Why a gate is closed, in words for whoever must decide what to do: what is known, what is missing, how many rows would show it.

The decision is include/evaluation/gate.py's, and is kept with the evaluation. These words are made of the same numbers when
they are read: no result is computed again for them, and evaluations of earlier releases get them, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from include.core.errors import SpecError
from include.core.spec import Evaluation
from include.metrics.paired import Difference
from include.metrics.stored import stored_difference, stored_number
from include.problems.holdout_plan import POWER, Spread
from include.problems.stated import Stated, metric_in, units_in

MARK = "(evaluation.margin"  # a reason of the comparison with the champion names this setting, and no other reason does
BASELINES = {
    "boosted": "gradient boosting on the same rows",
    "historical_rate": "the historical rate of the category",
    "historical": "what the category's rows were before",
}


def asked_of(params: Mapping[str, object], present: Evaluation) -> Evaluation:
    """The section that an evaluation was made by, from its request's parameters; the present one where they hold none."""
    section = params.get("evaluation")
    try:
        return Evaluation.model_validate(section) if isinstance(section, Mapping) else present
    except SpecError:  # of another release
        return present


def reasons(value: Mapping[str, object], spec: Evaluation) -> tuple[str, ...]:
    """The reasons of an evaluation's value, that of the comparison with the champion at length; empty where it is open."""
    gate = value.get("gate")
    found = gate.get("reasons") if isinstance(gate, Mapping) else None
    given = [str(each) for each in found] if isinstance(found, list | tuple) else []
    return tuple((_compared(value, spec) or each) if MARK in each else each for each in given)


def notes(value: Mapping[str, object], spec: Evaluation) -> tuple[str, ...]:
    """What closes no gate and should be known all the same: a baseline that was not beaten."""
    ours, baselines = stored_number(value.get("metrics"), spec.metric), value.get("baselines")
    if ours is None or not isinstance(baselines, Mapping):
        return ()
    return tuple(_not_beaten(baselines, ours, spec.metric, metric_in(value, spec.metric)))


def _not_beaten(baselines: Mapping[str, object], ours: float, name: str, metric: Stated) -> Iterator[str]:
    for baseline, measured in baselines.items():
        theirs = stored_number(measured, name)
        if theirs is not None and metric.worse_by(ours, theirs) > 0:
            yield (
                f"{metric.title} {metric.shown(ours)} does not beat {BASELINES.get(baseline, baseline)} "
                f"({metric.shown(theirs)}). A baseline closes no gate; it says that the features hold more than the model has "
                "learned."
            )


def _compared(value: Mapping[str, object], spec: Evaluation) -> str:
    """Empty where the value does not hold the numbers."""
    ours, theirs = stored_number(value.get("metrics"), spec.metric), stored_number(value.get("champion"), spec.metric)
    seen = stored_difference(value.get("paired"))
    if ours is None or theirs is None or seen is None:
        return ""
    metric = metric_in(value, spec.metric)
    head = (
        f"{metric.title} {metric.shown(ours)} {_side(seen.worse)} the champion's {metric.shown(theirs)} on the same "
        f"{seen.rows:,} holdout {units_in(value)}"
    )
    settings = f"(evaluation.margin {spec.margin:.4f}, evaluation.alpha {spec.alpha:g})"
    if not math.isfinite(seen.error):
        return (
            f"{head}; they are too few, or of one class, to tell how much of that is chance, so a loss of more than the margin "
            f"is not excluded {settings}. Hold out more days (training.holdout_days)."
        )
    low, high = 2 * seen.worse - seen.upper(spec.alpha), seen.upper(spec.alpha)
    interval = f"the true difference lies between {_way(low)} and {_way(high)} ({1 - 2 * spec.alpha:.0%} interval)"
    return f"{head}: {interval}, {_so(seen, low, spec)} {settings}. {_next(seen, low, spec, units_in(value))}"


def _side(worse: float) -> str:
    if worse == 0:
        return "equals"
    return f"is {abs(worse):.4f} {'behind' if worse > 0 else 'ahead of'}"


def _way(worse: float) -> str:
    return f"{abs(worse):.4f} {'worse' if worse > 0 else 'better'}"


def _so(seen: Difference, low: float, spec: Evaluation) -> str:
    if low > spec.margin:
        return "so it is shown to be worse by more than the margin"
    if seen.worse > spec.margin and low > 0:
        return "so it is shown to be worse, and most likely by more than the margin"
    if seen.worse > spec.margin:
        return "so it is behind by more than the margin, though chance alone may have done that"
    if seen.worse > 0:
        return "so it is behind by less than the margin, and a loss of more is not excluded"
    return "so it is not behind on these rows, and yet a loss of more than the margin is not excluded: there are too few"


def _next(seen: Difference, low: float, spec: Evaluation, units: str) -> str:
    """How many rows would show it, if the difference stays what it is."""
    if seen.worse > spec.margin:
        more = "More rows will hardly open it: mend the model" if low > 0 else "Mend the model, or hold out more days"
        return f"{more}; its report shows the slices."
    spread = Spread.of(seen)
    needed = spread.needed(seen.worse, spec.margin, spec.alpha) if spread else None
    if spread is None or needed is None:
        return "Hold out more days (training.holdout_days)."
    days = f", {needed:,} days" if spread.by_day else ""
    return (
        f"About {spread.rows_of(needed):,} holdout {units}{days} would show it in {POWER:.0%} of the cases, if the difference is "
        "truly that: `slipstream gate plan MODEL`."
    )
