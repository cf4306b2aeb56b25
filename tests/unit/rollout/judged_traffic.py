"""Traffic as the gateway logs it, and the evidence that a stage makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from include.prediction_log.record import Record
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.guardrails import WEIGHTS, Guard, scaled
from include.rollout.judge_plan import JudgePlan
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from include.routing.route import Route
from tests.support.evidence import evidence_of, limits_of

CANARY = JudgePlan("canary_5", share=0.05, requests=100, alpha=0.05, compared=True)

SHADOW = JudgePlan("shadow", share=0.0, requests=100, alpha=0.05, compared=True, tolerance=0.2)

FULL = JudgePlan("full_100", share=1.0, requests=100, alpha=0.05, compared=True)

GENERATION = 3


def traffic(
    n: int, *, weight: int = 5, generation: int = 3, bad: float = 0.0, slow: float = 0.0, errors: float = 0.0, seed: int = 1
) -> Iterable[Record]:
    """`n` requests of as many entities. `errors` on both arms; `bad` and `slow` on the challenger only."""
    rng = np.random.default_rng(seed)
    route = Route(champion=1, challenger=2, weight=weight)
    for number in range(n):
        key = unit(f"e{seed}-{number}", "toy")
        arm = route.arm(key)
        canary = arm == "challenger"
        failed = rng.random() < errors + (bad if canary else 0.0)
        latency = 50_000.0 if canary and rng.random() < slow else float(rng.exponential(300.0))
        yield Record(
            kind="prediction", id=str(number), at="", unit=f"{key:x}", arm=arm, score=0.5, generation=generation,
            latency_us=latency, error="boom" if failed else None,
        )  # fmt: skip


def stage_accumulator(plan: JudgePlan, limits: dict[str, float] | None = None) -> StageAccumulator:
    return StageAccumulator(StageTerms(plan.stage, GENERATION, plan.planned, plan.shadow, limits or {}, False, 0.5, True))


def evidence(records: Iterable[Record], plan: JudgePlan = CANARY) -> Evidence:
    """The log's records, folded as the stage's evaluation does: the champion's earlier answers are the baseline."""
    told = list(records)
    begins = next((n for n, record in enumerate(told) if record.generation >= GENERATION), len(told))
    accumulator = EvidenceAccumulator(since=1)
    accumulator.add(told[:begins])
    accumulator.begin(stage_accumulator(plan, limits_of(accumulator, 1000.0)))
    accumulator.add(told[begins:])
    assert accumulator.stage is not None
    return evidence_of(accumulator.stage)


def guarded(seen: Evidence, plan: JudgePlan = CANARY, **rule: float) -> JudgePlan:
    """The plan with the guards that its evidence's limits allow."""
    return replace(plan, guards=scaled(Guard(name, WEIGHTS[name], rule.get(name, 1.0)) for name in ("errors", *seen.limits)))


def baseline() -> Iterable[Record]:
    return traffic(2000, weight=0, generation=2, seed=9)
