"""Few entities with many requests: rates, bounds and the plan hold for any number of requests an entity."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.judge.entities import Cell, rates
from include.core.spec import ModelSpec
from include.prediction_log.record import Record
from include.rollout.alpha_spending import OCTAVE, SLICES, period_boundaries, period_of, period_sums, periods, spent
from include.rollout.confidence_bounds import fewest, look_part, most_allowed
from include.rollout.evidence import AGAIN, CHALLENGER, ENTITIES, ERRORS, Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.judge import Verdict, judge
from include.rollout.judge_plan import JudgePlan, judge_plan
from include.rollout.plan import rollout_stages
from include.rollout.power import entities_needed, stage_powers
from include.rollout.stage_evaluation import at_deadline, recompute
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from include.routing.route import Route
from tests.support.evidence import evidence_of
from tests.unit.rollout.judged_traffic import CANARY, FULL, GENERATION, evidence, stage_accumulator, traffic


def busy(
    entities: int, requests: int, *, weight: int = 100, errors: float = 0.0, bad: float = 0.0, broken: float = 0.0, seed: int = 0
) -> Iterable[Record]:
    """Requests of few entities. `errors` of single requests, `bad` of the challenger's; `broken` entities always fail."""
    rng = np.random.default_rng(seed)
    route = Route(champion=1, challenger=2, weight=weight)
    fails = rng.random(entities) < broken
    for number, who in enumerate(rng.integers(0, entities, requests).tolist()):
        key = unit(f"device-{seed}-{who}", "toy")
        arm = route.arm(key)
        failed = fails[who] or rng.random() < errors + (bad if arm == "challenger" else 0.0)
        yield Record(
            kind="prediction", id=str(number), at="", unit=f"{key:x}", arm=arm, score=0.5, generation=GENERATION,
            latency_us=200.0, error="boom" if failed else None,
        )  # fmt: skip


def looked_at(records: Iterable[Record], plan: JudgePlan, looks: int = 20) -> Verdict:
    """The first verdict that decides, or the last one."""
    accumulator, told = EvidenceAccumulator(since=1), list(records)
    accumulator.begin(stage_accumulator(plan))
    for part in np.array_split(np.arange(len(told)), looks):
        accumulator.add(told[number] for number in part)
        assert accumulator.stage is not None
        verdict = judge(evidence_of(accumulator.stage), plan)
        if verdict.answer != "insufficient":
            break
    return verdict


# -- the last stage: a rate of entities' first requests ----------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("requests", [4000, 400, 40])
@pytest.mark.parametrize("entities", [5, 12, 50])
@pytest.mark.parametrize("errors", [0.01, 0.0])
def test_many_requests_of_few_entities_roll_no_healthy_challenger_back(entities: int, requests: int, errors: float) -> None:
    """Almost every entity meets an error once; the rate of requests is a fifth of what is accepted."""
    answers = [looked_at(busy(entities, requests, errors=errors, seed=seed), FULL).answer for seed in range(2)]
    assert "roll_back" not in answers


def test_an_entity_that_always_fails_is_one_observation() -> None:
    told = [*busy(12, 4000, seed=3), *(one_entity(record) for record in busy(1, 2000, broken=1.0))]
    assert looked_at(told, FULL).answer == "insufficient"


def one_entity(record: Record) -> Record:
    record.unit = "1"
    return record


def test_enough_entities_with_rare_errors_pass_however_busy_they_are() -> None:
    assert looked_at(busy(200, 8000, errors=0.005), FULL).answer == "promote"


def test_a_bad_challenger_is_rolled_back_by_few_entities_too() -> None:
    assert looked_at(busy(12, 400, errors=0.6), FULL).answer == "roll_back"


def test_few_entities_that_all_turn_bad_after_the_plan_are_seen() -> None:
    told = [*busy(12, 150), *busy(12, 400, errors=0.9)]
    verdict = judge(evidence(told, FULL), FULL)
    assert verdict.answer == "roll_back"
    assert "after 2 planned lengths" in verdict.reasons[0]


def test_first_requests_that_hold_while_most_of_the_others_fail_promote_nothing() -> None:
    told = [*traffic(120, weight=100), *traffic(120, weight=100, errors=1.0)]
    plan = replace(FULL, requests=len(told))
    verdict = judge(evidence(told, plan), plan)
    assert verdict.answer == "insufficient"
    assert "of its requests failed" in verdict.reasons[0]


# -- what is missing ---------------------------------------------------------------------------------------------


def test_a_verdict_says_that_entities_are_missing_and_that_nothing_is_held_against_the_challenger() -> None:
    verdict = looked_at(busy(12, 4000, errors=0.005), FULL)
    assert verdict.answer == "insufficient"
    missing = verdict.reasons[1]
    assert missing.startswith("entities are missing, nothing is held against the challenger: it answered 12 entities")
    assert f"at least {FULL.entities} whose first request meets no error" in missing


def test_a_canary_without_a_single_entity_says_so() -> None:
    verdict = looked_at((record for record in busy(12, 4000, weight=5) if record.arm == "champion"), CANARY)
    assert verdict.reasons[0] == "0 of 100 requests seen by the challenger"
    assert "entities here" in verdict.reasons[1]


def test_the_deadline_keeps_what_is_missing_and_is_computed_again(spec: ModelSpec) -> None:
    seen = evidence(busy(12, 4000), FULL)
    late = at_deadline(judge(seen, FULL), spec, spec.rollout.deadline)
    assert late.answer == "roll_back"
    assert late.reasons[0].startswith("not enough evidence within")
    assert any("nothing is held against the challenger" in reason for reason in late.reasons)
    stored = json.loads(json.dumps({**late.to_json(), "evidence": seen.to_json(), "plan": FULL.to_json()}))
    assert recompute(stored) == late


def test_the_plan_names_the_entities_of_each_stage_and_which_are_too_few(spec: ModelSpec) -> None:
    rules = {stage.name: judge_plan(spec, stage, 1) for stage in rollout_stages(spec)[2:]}
    told = entities_needed(spec, 1)
    assert [words.split(":")[0] for words in told] == list(rules)
    assert all(f"at least {rule.entities:,} distinct entities" in words for rule, words in zip(rules.values(), told, strict=True))
    few = entities_needed(spec, 1, entities=12)
    assert all("12 entities are too few" in words and "is rolled back at its deadline" in words for words in few)
    assert not any("too few" in words for words in entities_needed(spec, 1, entities=1_000_000))


def test_the_plan_promises_no_pass_that_few_entities_cannot_give(spec: ModelSpec) -> None:
    few = stage_powers(spec, 1, bases=(0.001,), entities=12)
    assert [each.promoted for each in few] == [0.0, 0.0]
    assert all("of 12 entities" in each.summary for each in few)
    assert [each.promoted for each in stage_powers(spec, 1, bases=(0.001,), entities=10**6)] == [
        each.promoted for each in stage_powers(spec, 1, bases=(0.001,))
    ]


@pytest.mark.parametrize(("p", "level"), [(0.05, 0.015), (0.05, 0.03), (0.5, 0.015), (0.001, 0.03)])
def test_the_fewest_trials_are_the_first_that_show_the_rate(p: float, level: float) -> None:
    least = fewest(p, level)
    assert most_allowed(least, p, level) == 0
    assert most_allowed(least - 1, p, level) == -1


def test_the_defaults_need_82_entities_on_a_canary() -> None:
    assert replace(CANARY, alpha=0.02).entities == 82
    assert look_part(0) == 0.6


# -- periods -------------------------------------------------------------------------------------------------------


def test_turns_are_the_plan_and_its_doublings() -> None:
    assert [(period.start, period.stop) for period in periods(SLICES + OCTAVE + 7)] == [(0, 200), (200, 300), (300, 307)]
    assert [period_of(number) for number in (0, SLICES - 1, SLICES, SLICES + OCTAVE)] == [0, 0, 1, 2]
    assert periods(0) == [slice(0, 0)]


def test_the_turns_of_a_walk_spend_one_alpha() -> None:
    """Entities that are wholly alike: each period observes the same ones again, and still alpha holds."""
    rng = np.random.default_rng(4)
    stages, slices, entities = 3000, SLICES + 2 * OCTAVE, 60
    broken = (rng.random((stages, entities)) < 0.2).astype(np.int64)
    trials, hits = np.zeros((stages, slices), np.int64), np.zeros((stages, slices), np.int64)
    for start in (0, SLICES, SLICES + OCTAVE):
        trials[:, start : start + entities] = 1
        hits[:, start : start + entities] = broken
    crossed = (period_sums(hits) >= period_boundaries(0.2, 0.05, trials)).any(axis=1).mean()
    assert crossed <= 0.05 + 3 * (0.05 * 0.95 / stages) ** 0.5
    assert spent(np.array([4.0]))[0] <= 1


@pytest.mark.thorough
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize(("entities", "requests"), [(5, 10_000), (12, 1_000), (50, 100), (500, 10), (500, 1)])
def test_false_rollbacks_and_wrong_promotions_stay_under_alpha_and_beta(entities: int, requests: int, alike: bool) -> None:
    """A sample of the bench's cells: `make bench AREA=judge` has all of them, with more stages."""
    stages = 150
    measured = rates(Cell(entities, requests, alike), stages)
    assert max(measured.values()) <= 0.05 + 3.5 * (0.05 * 0.95 / stages) ** 0.5, measured


# -- what earlier versions stored --------------------------------------------------------------------------------


def test_a_stage_that_an_earlier_version_began_goes_on_as_it_began() -> None:
    stage = StageAccumulator(replace(stage_accumulator(FULL).terms, first_known=False))
    for record in (*traffic(150, weight=100), *traffic(100, weight=100, seed=8)):
        stage.add(record)
    seen = evidence_of(stage)
    assert not seen.first_known
    assert seen.rate_stream == ERRORS
    assert judge(seen, FULL).answer == "promote"


def test_evidence_of_an_earlier_version_is_judged_as_it_was() -> None:
    counts = {ENTITIES: ((), (12,)), ERRORS: ((), (12,)), "requests": ((), (4000,))}
    stored = Evidence("full_100", 3, 100, 4000, slices=counts).to_json()
    verdict = judge(Evidence.from_json(json.loads(json.dumps(stored))), FULL)
    assert verdict.reasons[0] == "12 of the first 12 entities met an error of the challenger, more than the accepted 5.0%"


def test_each_entity_is_counted_once_in_a_stage_and_once_in_each_period_after_it() -> None:
    stage = StageAccumulator(StageTerms("full_100", GENERATION, 100, False, {}, False, 0.5, False))
    for record in busy(5, 400):
        stage.add(record)
    seen = evidence_of(stage)
    assert seen.challenger.entities == 5
    again = seen.arms(AGAIN, SLICES + 2 * OCTAVE)[CHALLENGER]
    assert [int(again[period].sum()) for period in periods(SLICES + 2 * OCTAVE)] == [0, 5, 5]
