"""The decision of an experiment: a pure function of its plan and of what a look found. Anyone can make it again.

better          the primary metric is better, and each guardrail is shown to be within its margin: said after whole weeks alone
worse           it is worse: said on any day
harmed          a guardrail is worse than its margin: said on any day
mismatch        the arms have not the shares that they were given, or entities were in both: no figure means anything
no_difference   at the planned end, the interval lies within the minimum effect on both sides
not_shown       at the planned end, none of these
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from include.core.spec import Guardrail, Metric
from include.experiment_state.queries import BETTER
from include.experiments.effect import Effect, effect
from include.experiments.evidence import MetricEvidence
from include.experiments.multiplicity import hierarchy, holm
from include.experiments.plan import Plan
from include.experiments.sample_ratio import sample_ratio_p

MISMATCH_ALPHA = 0.01  # that arms with the right shares are ever taken for wrong ones
CROSSED = 0.01  # the share of entities in both arms from which on nothing is said
LARGEST = 0.1  # the share of the variance that may be one entity's: above it an interval is not trusted
WORSE, HARMED, MISMATCH, NO_DIFFERENCE, NOT_SHOWN = "worse", "harmed", "mismatch", "no_difference", "not_shown"


@dataclass(frozen=True)
class Decision:
    """`answer` is empty while the experiment goes on. `effects`: what is known of each metric."""

    answer: str
    reasons: tuple[str, ...]
    effects: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "reasons": list(self.reasons), "effects": {n: dict(e) for n, e in self.effects.items()}}


def decide(plan: Plan, seen: Mapping[str, Any]) -> Decision:
    """From what `evidence` returned."""
    effects = {metric.name: _effect(plan, metric, seen) for metric in plan.experiment.metrics}
    told = _told(plan, seen, effects)
    answer, reasons = _answer(plan, seen, effects)
    return Decision(answer, reasons, told)


def _effect(plan: Plan, metric: Metric, seen: Mapping[str, Any]) -> tuple[Effect, bool]:
    """With whether its interval can be trusted."""
    found, cuped = MetricEvidence.from_json(seen["metrics"][metric.name]), plan.experiment.before_weeks > 0
    known = effect(
        found.control, found.treatment, plan.planned, plan.experiment.alpha, cuped=cuped, final=bool(seen["final"])
    )  # fmt: skip
    return known, bool(np.isfinite(known.half)) and found.largest <= LARGEST


def _answer(plan: Plan, seen: Mapping[str, Any], effects: Mapping[str, tuple[Effect, bool]]) -> tuple[str, tuple[str, ...]]:
    if wrong := _mismatch(plan, seen):
        return MISMATCH, (wrong,)
    primary, guards = plan.experiment.primary, plan.experiment.guardrails
    if broken := [each.name for each in guards if _broken(each, *effects[each.name])]:
        return HARMED, tuple(f"{name} is worse than its margin" for name in broken)
    low, high = _good(primary, effects[primary.name][0])
    trusted = effects[primary.name][1]
    if trusted and high < 0:
        return WORSE, (f"{primary.name} is worse",)
    open_guards = [each.name for each in guards if not _held(each, *effects[each.name])]
    if trusted and low > 0 and not open_guards and (seen["final"] or seen["day"] % 7 == 0):
        return BETTER, (f"{primary.name} is better",)
    if not seen["final"]:
        return "", ()
    if trusted and low > 0:
        return NOT_SHOWN, tuple(f"{name} is not shown to be within its margin" for name in open_guards)
    if trusted and -plan.experiment.minimum_effect < low and high < plan.experiment.minimum_effect:
        return NO_DIFFERENCE, (f"{primary.name} differs by less than {plan.experiment.minimum_effect:g}",)
    return NOT_SHOWN, (_unknown(primary, seen, trusted),)


def _mismatch(plan: Plan, seen: Mapping[str, Any]) -> str:
    arms, crossed = seen["entities"], seen["left_out"].get("crossed", 0)
    control, treatment = arms["control"], arms["treatment"]
    p = float(sample_ratio_p(control, treatment, plan.experiment.share / 100))
    if p <= MISMATCH_ALPHA:
        return (
            f"{treatment:,} of {control + treatment:,} entities are the treatment's, not {plan.experiment.share} % (p = {p:.2g})"
        )
    if crossed > CROSSED * (control + treatment + crossed) and crossed > 1:
        return f"{crossed:,} entities were answered by both arms"
    return ""


def _good(metric: Metric, known: Effect) -> tuple[float, float]:
    """The interval, so that more is better."""
    low, high = float(known.low), float(known.high)
    return (low, high) if metric.better == "more" else (-high, -low)


def _broken(guard: Guardrail, known: Effect, trusted: bool) -> bool:
    return trusted and _good(guard, known)[1] < -guard.margin


def _held(guard: Guardrail, known: Effect, trusted: bool) -> bool:
    return trusted and _good(guard, known)[0] > -guard.margin


def _unknown(primary: Metric, seen: Mapping[str, Any], trusted: bool) -> str:
    found, arms = MetricEvidence.from_json(seen["metrics"][primary.name]), seen["entities"]
    if empty := [arm for arm, entities in arms.items() if not entities]:
        return f"no entity came to the {' and the '.join(empty)}"
    if trusted:
        return f"the interval of {primary.name} holds both no difference and the minimum effect"
    if not float(found.control.variance) and not float(found.treatment.variance):
        return f"{primary.name} is the same for every entity: there is no error to hold a difference against"
    return f"one entity makes {found.largest:.0%} of the variance of {primary.name}: give it a cap, or winsorise it"


def _told(plan: Plan, seen: Mapping[str, Any], effects: Mapping[str, tuple[Effect, bool]]) -> dict[str, dict[str, Any]]:
    """What people read: JSON has no infinity, so an interval without an end is null there."""
    experiment = plan.experiment
    raw = {metric.name: float(effects[metric.name][0].p) for metric in experiment.secondaries}
    if experiment.correction == "hierarchy":
        first = experiment.primary.name
        adjusted = hierarchy({first: float(effects[first][0].p), **raw})
    else:
        adjusted = holm(raw)
    told = {}
    for metric in experiment.metrics:
        known, trusted = effects[metric.name]
        found = MetricEvidence.from_json(seen["metrics"][metric.name])
        told[metric.name] = {
            "control": _number(found.control.ratio),
            "treatment": _number(found.treatment.ratio),
            "difference": _number(known.difference),
            "low": _number(known.low),
            "high": _number(known.high),
            "p": float(known.p),
            "adjusted_p": adjusted.get(metric.name, float(known.p)),
            "reduction": _number(known.reduction),
            "trusted": trusted,
        }
    return told


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
