"""The judge: evidence and plan in, one of three answers out. Pure, so every decision can be recomputed.

promote       enough was seen, nothing speaks against the challenger, and its error rate is shown to be under the margin
roll_back     some event is the challenger's more often than its share allows, at a false-rollback rate of at most alpha
insufficient  not enough yet: never promotes, and never counts as failure. With `alerts`: both arms are beyond the
              service's objective, so somebody is paged and the stage holds; the challenger is not blamed for it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import numpy as np

from include.core.request import Json
from include.core.spec import ModelSpec
from include.rollout.bound import look_part, most_allowed, odds_share, upper, upper_ratio
from include.rollout.boundary import OCTAVE, SLICES, Ints, boundaries
from include.rollout.evidence import CHALLENGER, CHAMPION, ENTITIES, ERRORS, FAILURES, REQUESTS, Count, Evidence
from include.rollout.guard import Guard, stage_guards
from include.rollout.plan import Stage

Answer = Literal["promote", "roll_back", "insufficient"]
RECENT = SLICES // 4  # slices over which the service's objective is watched
ALARM = 1e-4  # chance of paging by accident, each arm and look
# How a rollout's alpha is shared over the stages: those with two arms have most of it.
SHADOW_PART = FULL_PART = 0.1


@dataclass(frozen=True)
class JudgePlan:
    """The rule of one stage, fixed before it starts."""

    stage: str
    share: float  # of the entities that the challenger answers; 0 in the shadow stage
    requests: int  # that the challenger must have answered (or seen) before it may be promoted
    alpha: float
    compared: bool  # whether there is a champion to compare with
    tolerance: float | None = None  # of the mean score difference: the shadow stage has it
    guards: tuple[Guard, ...] = (Guard(ERRORS),)
    beta: float = 0.05
    margin: float = 2.5
    accepted: float = 0.05  # error rate accepted where no ratio can be shown, or no other arm serves
    first: str = "smoke"  # without a champion: is the smoke test enough

    @property
    def shadow(self) -> bool:
        return self.share == 0

    @property
    def relative(self) -> bool:
        """Whether two arms meet the same traffic."""
        return self.compared and self.share < 1

    @property
    def null_share(self) -> float:
        """The chance that an event is the challenger's if both arms are alike: in the shadow each request meets both."""
        return 0.5 if self.shadow else self.share

    @property
    def planned(self) -> int:
        """Requests in the planned length of the stage: of both arms; of the shadow alone in its stage."""
        return planned_requests(self.share, self.requests, self.compared)

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        values: dict[str, Any] = dict(value)
        values["guards"] = tuple(Guard.from_json(guard) for guard in values["guards"])
        return cls(**values)


def planned_requests(share: float, requests: int, compared: bool) -> int:
    """Requests of the stage's clock until the challenger has seen `requests`."""
    return round(requests / share) if compared and share else requests


@dataclass(frozen=True)
class Verdict:
    answer: Answer
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, Json] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        shown = {"answer": self.answer, "reasons": list(self.reasons), "numbers": dict(self.numbers)}
        return {**shown, "alerts": list(self.alerts)} if self.alerts else shown


def judge_plan(
    spec: ModelSpec, stage: Stage, champion: int | None, limits: Mapping[str, float] | None = None, labelled: bool = False
) -> JudgePlan:
    """The judge's rule for a stage of the spec's rollout. `limits`: the champion's quantiles that are known by then."""
    rule, compared = spec.rollout, champion is not None
    canaries = sum(step < 100 for step in rule.weights)
    two_armed = compared and 0 < stage.weight < 100
    if two_armed:
        part = (1 - SHADOW_PART - FULL_PART) / canaries
    elif stage.shadow or canaries:
        part = SHADOW_PART if stage.shadow else FULL_PART
    else:
        part = 1 - SHADOW_PART
    return JudgePlan(
        stage.name,
        share=stage.weight / 100,
        requests=rule.shadow_requests if stage.shadow else rule.step_requests,
        alpha=rule.alpha * part,
        compared=compared,
        tolerance=rule.shadow_tolerance if stage.shadow else None,
        guards=stage_guards(spec, limits or {}, labelled) if two_armed else (Guard(ERRORS),),
        beta=rule.beta,
        margin=rule.margin,
        accepted=rule.accepted_error_rate,
        first=rule.first,
    )


def judge(evidence: Evidence, plan: JudgePlan) -> Verdict:
    """Decide on the evidence so far. May be asked as often as one likes: alpha is spent, not repeated."""
    numbers, seen = _numbers(evidence, plan), _said(evidence.challenger)
    against = tuple(_against(evidence, plan))
    if against:
        return Verdict("roll_back", against, numbers)
    if not plan.compared and (plan.shadow or plan.first == "smoke"):
        reason = f"no champion to compare with: passed on the smoke test and {seen} within the absolute limits"
        return Verdict("promote", (reason,), numbers)
    alerts = tuple(_alerts(evidence, plan))
    if alerts:
        return Verdict("insufficient", ("held: the fault is not the challenger's alone", *alerts), numbers, alerts)
    if evidence.challenger.requests < plan.requests:
        missing = f"{evidence.challenger.requests} of {plan.requests} requests seen by the challenger"
        return Verdict("insufficient", (missing,), numbers)
    if plan.shadow:
        return Verdict("promote", (f"{seen}, nothing against it",), numbers)
    shown = _shown(evidence, plan)
    if shown is None:
        return Verdict("insufficient", (f"{seen}: {_not_shown(plan)}",), numbers)
    return Verdict("promote", (f"{seen}, nothing against it: {shown}",), numbers)


# -- against it ------------------------------------------------------------------------------------------


def _against(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Every reason to roll back."""
    if plan.relative:
        for guard in plan.guards:
            yield from _more_than_its_share(evidence, plan, guard)
    else:
        yield from _beyond_the_limit(evidence, plan)
    if plan.compared and plan.tolerance is not None:
        yield from _too_different(evidence, plan)


def guard_limits(evidence: Evidence, plan: JudgePlan, guard: Guard) -> tuple[Ints, Ints, Ints]:
    """By complete slice: events so far, hits so far, and the count of hits that is too many."""
    trials, hits = guard.walk(evidence, evidence.complete)
    limits = boundaries(guard.null(plan.null_share), plan.alpha * guard.weight, trials[None, :])[0]
    return np.cumsum(trials), np.cumsum(hits), limits


def _more_than_its_share(evidence: Evidence, plan: JudgePlan, guard: Guard) -> Iterable[str]:
    events, hits, limits = guard_limits(evidence, plan, guard)
    over = np.flatnonzero(hits >= limits)
    if not over.size:
        return
    at, whose = int(over[0]), "champion's" if guard.fewer else "challenger's"
    of = "which sees every request that the champion sees" if plan.shadow else f"with {plan.share:.0%} of the entities"
    tolerated = "" if guard.tolerated == 1 else f" ({guard.tolerated:g} times as many are tolerated)"
    yield f"{hits[at]} of the first {events[at]} {guard.words} were the {whose}, {of}{tolerated}"


def _beyond_the_limit(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """No other arm serves at the same time: the share of its entities that met an error, against a fixed rate."""
    entities, erred, limits = absolute_limits(evidence, plan)
    over = np.flatnonzero(erred >= limits)
    if over.size:
        at = int(over[0])
        what = f"{erred[at]} of the first {entities[at]} entities met an error of the challenger"
        yield f"{what}, more than the accepted {plan.accepted:.1%}"


def absolute_limits(evidence: Evidence, plan: JudgePlan) -> tuple[Ints, Ints, Ints]:
    """By complete slice: entities so far, those that erred, and how many are too many.

    An entity may err long after it was first seen. It counts from then on: later than the walk allows for,
    so the boundary only holds the better.
    """
    entities, erred = (evidence.arms(stream, evidence.complete)[CHALLENGER] for stream in (ENTITIES, ERRORS))
    limits = boundaries(plan.accepted, plan.alpha, entities[None, :])[0]
    return np.cumsum(entities), np.cumsum(erred), limits


def _too_different(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    difference, tolerance = evidence.difference, plan.tolerance
    enough = evidence.challenger.requests >= plan.requests
    if enough and difference is not None and tolerance is not None and difference > tolerance:
        yield f"its scores differ from the champion's by {difference:.3f} on average, more than the tolerance {tolerance}"


# -- for it ----------------------------------------------------------------------------------------------


def _shown(evidence: Evidence, plan: JudgePlan) -> str | None:
    """What shows its error rate to be under the margin; None while nothing does."""
    by_rate = plan.beta / 2 if plan.relative else plan.beta
    for look, slices in enumerate(range(SLICES, evidence.complete + 1, OCTAVE)):
        part = look_part(look)
        champion, challenger = (int(counts.sum()) for counts in evidence.arms(ERRORS, slices))
        entities = int(evidence.arms(ENTITIES, slices)[CHALLENGER].sum())
        events, margin_share = champion + challenger, odds_share(plan.share, plan.margin)
        if plan.relative and challenger <= most_allowed(events, margin_share, plan.beta / 2 * part):
            bound = upper_ratio(challenger, events, plan.share, plan.beta / 2 * part)
            return f"it errs at most {bound:.2f} times as often as the champion (margin {plan.margin:g})"
        if challenger <= most_allowed(entities, plan.accepted, by_rate * part):
            bound = upper(challenger, entities, by_rate * part)
            return f"at most {bound:.1%} of its entities meet an error (accepted {plan.accepted:.1%})"
    return None


def _not_shown(plan: JudgePlan) -> str:
    ratio = f"at most {plan.margin:g} times the champion's, or " if plan.relative else ""
    return f"its error rate is not yet shown to be {ratio}at most {plan.accepted:.1%}; the next look is at twice the requests"


# -- the service -----------------------------------------------------------------------------------------


def _alerts(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Every serving arm beyond the accepted error rate in the newest quarter of the plan: an incident of the service."""
    if not plan.relative or plan.shadow:
        return
    first, last = max(0, evidence.complete - RECENT), evidence.complete
    rates = []
    for arm in (CHAMPION, CHALLENGER):
        failed, requests = (int(evidence.arms(stream, last)[arm][first:].sum()) for stream in (FAILURES, REQUESTS))
        # So many failures would be that unlikely if the rate were the accepted one.
        if requests - failed > most_allowed(requests, 1 - plan.accepted, ALARM if arm == CHAMPION else 0.05):
            return
        rates.append(f"{failed} of {requests}")
    yield f"both arms fail more than the accepted {plan.accepted:.1%} of requests: champion {rates[0]}, challenger {rates[1]}"


def _said(count: Count) -> str:
    return f"{count.requests} requests of {count.entities} entities, {count.errors} with an error"


def _numbers(evidence: Evidence, plan: JudgePlan) -> dict[str, Json]:
    events = {}
    for guard in plan.guards if plan.relative else ():
        champion, challenger = (int(counts.sum()) for counts in evidence.arms(guard.stream, evidence.complete + 1))
        events[guard.stream] = [champion, challenger]
    return {
        "requests": evidence.challenger.requests,
        "needed": plan.requests,
        "errors": evidence.challenger.errors,
        "champion_requests": evidence.champion.requests,
        "champion_errors": evidence.champion.errors,
        "events": events,  # by stream: entities of the champion, of the challenger
        "limits": dict(evidence.limits),
        "difference": evidence.difference,
        "share": plan.share,
        "alpha": plan.alpha,
    }
