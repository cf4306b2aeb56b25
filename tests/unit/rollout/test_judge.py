"""The judge on evidence folded from log records, as the gateway writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from include.core.catalog import load_spec
from include.core.spec import ModelSpec
from include.rollout.evidence import BASELINE, Evidence, collect
from include.rollout.judge import JudgePlan, judge, judge_plan
from include.rollout.plan import plan
from include.rollout.route import Route, unit
from include.rollout.watch import at_deadline, recompute
from include.serving.log import Record

CANARY = JudgePlan("canary_5", share=0.05, requests=100, alpha=0.05, compared=True)
SHADOW = JudgePlan("shadow", share=0.0, requests=100, alpha=0.05, compared=True, tolerance=0.2)


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


def evidence(records: Iterable[Record], *, stage: str = "canary_5", shadow: bool = False) -> Evidence:
    return collect(records, stage=stage, generation=3, since=1, shadow=shadow, floor_us=1000.0)


def baseline() -> Iterable[Record]:
    return traffic(2000, weight=0, generation=2, seed=9)


def test_a_healthy_challenger_is_promoted_once_enough_was_seen() -> None:
    assert judge(evidence([*baseline(), *traffic(3000, errors=0.01)]), CANARY).answer == "promote"


def test_too_little_traffic_is_insufficient_and_never_promotes() -> None:
    verdict = judge(evidence([*baseline(), *traffic(500, errors=0.01)]), CANARY)
    assert verdict.answer == "insufficient"
    assert "of 100 requests" in verdict.reasons[0]
    assert judge(evidence([]), CANARY).answer == "insufficient"


def test_a_challenger_with_ten_percent_errors_is_rolled_back() -> None:
    verdict = judge(evidence([*baseline(), *traffic(3000, errors=0.01, bad=0.1)]), CANARY)
    assert verdict.answer == "roll_back"
    assert "errors were the challenger's" in verdict.reasons[0]


def test_an_incident_on_both_arms_does_not_blame_the_challenger() -> None:
    assert judge(evidence([*baseline(), *traffic(3000, errors=0.3)]), CANARY).answer == "promote"


def test_a_slow_tail_is_rolled_back_against_the_champions_p99() -> None:
    verdict = judge(evidence([*baseline(), *traffic(3000, slow=0.3)]), CANARY)
    assert verdict.answer == "roll_back"
    assert "slow answers" in verdict.reasons[0]


def test_latency_is_not_judged_before_the_champions_p99_is_known() -> None:
    few = list(baseline())[: BASELINE - 1]
    seen = evidence([*few, *traffic(3000, slow=0.5)])
    assert seen.latency_limit_us is None
    assert judge(seen, CANARY).answer == "promote"


def test_a_burst_of_one_entity_counts_once() -> None:
    burst = [replace_unit(record) for record in traffic(200, weight=100, bad=1.0)]
    seen = evidence([*traffic(3000), *burst])
    assert seen.challenger.errors == 1
    assert judge(seen, CANARY).answer == "promote"


def replace_unit(record: Record) -> Record:
    record.unit = "sticky"
    return record


def test_false_rollbacks_of_whole_stages_stay_under_alpha() -> None:
    """Errors and latency together, records and all: 150 healthy stages."""
    known = list(baseline())
    verdicts = [judge(evidence([*known, *traffic(2500, errors=0.01, seed=seed)]), CANARY).answer for seed in range(100, 250)]
    assert verdicts.count("roll_back") <= 14  # P(more | alpha = .05) = .01


def test_records_of_other_generations_do_not_count() -> None:
    earlier = traffic(3000, generation=2, bad=1.0)
    assert evidence([*earlier]).challenger.requests == 0


def pairs(n: int, shadow_score: float, errors: int = 0) -> Iterable[Record]:
    for number in range(n):
        yield Record(
            kind="shadow", id=str(number), at="", unit=str(number), generation=3, against=0.3,
            score=None if number < errors else shadow_score, error="boom" if number < errors else None,
        )  # fmt: skip


def test_the_shadow_stage_compares_scores_within_the_tolerance() -> None:
    assert judge(evidence(pairs(100, 0.4), stage="shadow", shadow=True), SHADOW).answer == "promote"
    inverted = judge(evidence(pairs(100, 0.7), stage="shadow", shadow=True), SHADOW)
    assert inverted.answer == "roll_back"
    assert "0.400" in inverted.reasons[0]
    assert judge(evidence(pairs(99, 0.7), stage="shadow", shadow=True), SHADOW).answer == "insufficient"


def test_a_shadow_that_raises_is_rolled_back_early() -> None:
    verdict = judge(evidence(pairs(20, 0.3, errors=10), stage="shadow", shadow=True), SHADOW)
    assert verdict.answer == "roll_back"
    assert "entities met an error" in verdict.reasons[0]


def test_the_first_rollout_has_nothing_to_compare_with_and_says_so() -> None:
    first = replace(CANARY, compared=False)
    assert "no champion to compare with" in judge(evidence([]), first).reasons[0]
    assert judge(evidence([]), first).answer == "promote"
    assert judge(evidence(traffic(200, weight=100, bad=0.2)), first).answer == "roll_back"


def test_at_full_traffic_the_error_rate_is_held_to_an_absolute_limit() -> None:
    full = JudgePlan("full_100", share=1.0, requests=100, alpha=0.05, compared=True)
    assert judge(evidence(traffic(400, weight=100, errors=0.005)), full).answer == "promote"
    assert judge(evidence(traffic(400, weight=100, bad=0.1)), full).answer == "roll_back"


def test_errors_that_start_after_every_entity_was_seen_still_count() -> None:
    full = JudgePlan("full_100", share=1.0, requests=100, alpha=0.05, compared=True)
    healthy, failing = list(traffic(60, weight=100)), list(traffic(60, weight=100, bad=1.0))
    assert judge(evidence([*healthy, *failing]), full).answer == "roll_back"


def test_a_decision_is_recomputed_from_its_stored_json() -> None:
    seen = evidence([*baseline(), *traffic(3000, errors=0.01, bad=0.1)])
    verdict = judge(seen, CANARY)
    stored = json.loads(json.dumps({**verdict.to_json(), "evidence": seen.to_json(), "plan": CANARY.to_json()}))
    assert Evidence.from_json(stored["evidence"]) == seen
    assert recompute(stored) == verdict


def test_the_plan_of_each_stage_comes_from_the_spec(spec: ModelSpec) -> None:
    plans = {stage.name: judge_plan(spec, stage, champion=1) for stage in plan(spec)}
    assert (plans["shadow"].requests, plans["shadow"].tolerance) == (20, 0.2)
    assert (plans["canary_20"].requests, plans["canary_20"].share, plans["canary_20"].tolerance) == (50, 0.2, None)


@pytest.mark.parametrize(("rule", "answer"), [("roll_back", "roll_back"), ("wait", "insufficient")])
def test_the_deadline_does_what_the_spec_says(spec: ModelSpec, rule: str, answer: str) -> None:
    patient = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"at_deadline": rule})})
    waiting = judge(evidence([]), CANARY)
    assert at_deadline(waiting, patient, spec.rollout.deadline / 2).answer == "insufficient"
    assert at_deadline(waiting, patient, spec.rollout.deadline).answer == answer


def test_the_canary_stages_share_the_rollouts_alpha() -> None:
    spec = load_spec("flight_delay")
    plans = [judge_plan(spec, stage, champion=1) for stage in plan(spec) if 0 < stage.weight < 100]
    assert [each.stage for each in plans] == ["canary_5", "canary_20"]
    assert sum(each.alpha for each in plans) == pytest.approx(spec.rollout.alpha)
