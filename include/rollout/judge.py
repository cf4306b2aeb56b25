"""The judge: evidence and plan in, one of three answers out. Pure, so every decision can be recomputed.

promote       enough was seen, and nothing speaks against the challenger
roll_back     it errs or lags more often than its share, at a false-rollback rate of at most alpha
insufficient  not enough yet: never promotes, and never counts as failure
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, Self

import numpy as np

from include.core.request import Json
from include.core.spec import ModelSpec
from include.rollout.boundary import first_crossing
from include.rollout.evidence import CHALLENGER, Count, Evidence
from include.rollout.plan import Stage

Answer = Literal["promote", "roll_back", "insufficient"]
PRIOR_RATE, PRIOR_WEIGHT = 0.01, 100  # error rate assumed before any was seen, and its weight in entities
LEAST_HORIZON = 10  # errors over which alpha is spent at least


@dataclass(frozen=True)
class JudgePlan:
    """The rule of one stage, fixed before it starts."""

    stage: str
    share: float  # of the entities that the challenger answers; 0 in the shadow stage
    requests: int  # that the challenger must have answered (or seen) before it may be promoted
    alpha: float
    compared: bool  # whether there is a champion to compare with
    tolerance: float | None = None  # of the mean score difference: the shadow stage has it
    error_limit: float = 0.01  # accepted error rate where no other arm serves at the same time

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        return cls(**value)


@dataclass(frozen=True)
class Verdict:
    answer: Answer
    reasons: tuple[str, ...] = ()
    numbers: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {"answer": self.answer, "reasons": list(self.reasons), "numbers": dict(self.numbers)}


def judge_plan(spec: ModelSpec, stage: Stage, champion: int | None) -> JudgePlan:
    """The judge's rule for a stage of the spec's rollout."""
    rule = spec.rollout
    if stage.shadow:
        return JudgePlan(stage.name, 0.0, rule.shadow_requests, rule.alpha, champion is not None, rule.shadow_tolerance)
    # A rollout has one alpha: each stage that compares two arms has its share of it.
    canaries = max(1, sum(step < 100 for step in rule.steps))
    return JudgePlan(stage.name, stage.weight / 100, rule.step_requests, rule.alpha / canaries, champion is not None)


def judge(evidence: Evidence, plan: JudgePlan) -> Verdict:
    """Decide on the evidence so far. May be asked as often as one likes: alpha is spent, not repeated."""
    numbers = _numbers(evidence, plan)
    against = tuple(_against(evidence, plan))
    if against:
        return Verdict("roll_back", against, numbers)
    if not plan.compared:
        reason = (
            f"no champion to compare with: passed on the smoke test and {_said(evidence.challenger)} within the absolute limits"
        )
        return Verdict("promote", (reason,), numbers)
    if evidence.challenger.requests < plan.requests:
        missing = f"{evidence.challenger.requests} of {plan.requests} requests seen by the challenger"
        return Verdict("insufficient", (missing,), numbers)
    return Verdict("promote", (f"{_said(evidence.challenger)}, nothing against it",), numbers)


def _against(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Every reason to roll back."""
    if plan.compared and 0 < plan.share < 1:
        yield from _more_than_its_share(evidence, plan)
    else:
        yield from _beyond_the_limit(evidence, plan)
    if plan.compared and plan.tolerance is not None:
        yield from _too_different(evidence, plan)


def _more_than_its_share(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """Errors, and answers slower than the champion's p99: alpha is shared over the two."""
    planned = plan.requests / plan.share
    tests = [("errors", evidence.errors, _rate(evidence.baseline))]
    if evidence.latency_limit_us is not None:
        tests.append(("slow answers", evidence.slow, 0.01))
    for name, marks, rate in tests:
        hits = np.cumsum([arm for arm, _ in marks], dtype=np.int64)  # an arm is 0 or 1
        horizon = max(LEAST_HORIZON, round(planned * rate))
        at = first_crossing(hits, plan.share, plan.alpha / len(tests), horizon)
        if at is not None:
            yield f"{hits[at - 1]} of the first {at} {name} were the challenger's, with {plan.share:.0%} of the entities"


def _beyond_the_limit(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    """No other arm serves at the same time: the challenger's error rate against a fixed one."""
    limit = max(plan.error_limit, _rate(evidence.baseline) if evidence.baseline.entities else 0.0)
    # An entity may err long after it was first seen: it counts from then on.
    at_entity = [ordinal for arm, ordinal in evidence.errors if arm == CHALLENGER]
    hits = np.cumsum(np.bincount(at_entity, minlength=evidence.challenger.entities + 1))[1:]
    at = first_crossing(hits, limit, plan.alpha, max(LEAST_HORIZON, plan.requests))
    if at is not None:
        yield f"{hits[at - 1]} of the first {at} entities met an error of the challenger, more than the accepted {limit:.1%}"


def _too_different(evidence: Evidence, plan: JudgePlan) -> Iterable[str]:
    difference, tolerance = evidence.difference, plan.tolerance
    enough = evidence.challenger.requests >= plan.requests
    if enough and difference is not None and tolerance is not None and difference > tolerance:
        yield f"its scores differ from the champion's by {difference:.3f} on average, more than the tolerance {tolerance}"


def _rate(count: Count) -> float:
    """Error rate of entities, drawn towards the prior while little was seen."""
    return (count.errors + PRIOR_RATE * PRIOR_WEIGHT) / (count.entities + PRIOR_WEIGHT)


def _said(count: Count) -> str:
    return f"{count.requests} requests of {count.entities} entities, {count.errors} with an error"


def _numbers(evidence: Evidence, plan: JudgePlan) -> dict[str, Json]:
    return {
        "requests": evidence.challenger.requests,
        "needed": plan.requests,
        "errors": evidence.challenger.errors,
        "champion_requests": evidence.champion.requests,
        "champion_errors": evidence.champion.errors,
        "slow": sum(arm == CHALLENGER for arm, _ in evidence.slow),
        "champion_slow": sum(arm != CHALLENGER for arm, _ in evidence.slow),
        "latency_limit_us": evidence.latency_limit_us,
        "difference": evidence.difference,
        "share": plan.share,
        "alpha": plan.alpha,
    }
