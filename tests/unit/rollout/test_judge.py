"""The judge on evidence folded from log records, as the gateway writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.spec import ModelSpec
from include.prediction_log.record import Record
from include.rollout.alpha_spending import OCTAVE, SLICES
from include.rollout.baseline import BASELINE
from include.rollout.evidence import Evidence
from include.rollout.evidence_accumulator import EvidenceAccumulator
from include.rollout.guardrails import LOSS, Guard, scaled
from include.rollout.judge import judge
from include.rollout.judge_plan import judge_plan
from include.rollout.plan import rollout_stages
from include.rollout.stage_evaluation import at_deadline, recompute
from include.rollout.stage_terms import asked
from tests.support.evidence import Shelf
from tests.unit.rollout.judged_traffic import (
    CANARY,
    FULL,
    GENERATION,
    SHADOW,
    baseline,
    evidence,
    guarded,
    stage_accumulator,
    traffic,
)


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


def test_an_incident_on_both_arms_pages_and_holds_and_does_not_blame_the_challenger() -> None:
    verdict = judge(evidence([*baseline(), *traffic(3000, errors=0.3)]), CANARY)
    assert verdict.answer == "insufficient"
    assert "both arms fail more than the accepted 5.0% of requests" in verdict.alerts[0]


def test_an_incident_that_has_passed_holds_no_longer() -> None:
    over = [*traffic(700, errors=0.3), *traffic(2500, errors=0.001, seed=2)]
    assert judge(evidence([*baseline(), *over]), CANARY).alerts == ()


def test_a_challenger_that_fails_alone_pages_nobody() -> None:
    verdict = judge(evidence([*baseline(), *traffic(3000, bad=0.3)]), CANARY)
    assert (verdict.answer, verdict.alerts) == ("roll_back", ())


def test_a_slow_tail_is_rolled_back_against_the_champions_p99() -> None:
    seen = evidence([*baseline(), *traffic(3000, slow=0.3)])
    assert seen.limits["latency_p99"] == pytest.approx(300 * np.log(100), rel=0.2)
    assert "latency_p50" not in seen.limits  # under the 1000 us below which nobody is slow: one limit is judged once
    verdict = judge(seen, guarded(seen))
    assert verdict.answer == "roll_back"
    assert "slow answers" in verdict.reasons[0]


def test_latency_is_not_judged_before_the_champions_p99_is_known() -> None:
    few = list(baseline())[: BASELINE - 1]
    seen = evidence([*few, *traffic(3000, slow=0.5)])
    assert not any(name.startswith("latency") for name in seen.limits)
    assert judge(seen, guarded(seen)).answer == "promote"


def test_a_burst_of_one_entity_counts_once() -> None:
    burst = [replace_unit(record) for record in traffic(200, weight=100, bad=1.0)]
    seen = evidence([*traffic(3000), *burst])
    assert seen.challenger.errors == 1
    assert judge(seen, CANARY).answer == "promote"


def replace_unit(record: Record) -> Record:
    record.unit = "sticky"
    return record


@pytest.mark.thorough
def test_false_rollbacks_of_whole_stages_stay_under_alpha() -> None:
    """Errors and latency together, records and all: 30 healthy stages."""
    known = list(baseline())
    seen = [evidence([*known, *traffic(2500, errors=0.01, seed=seed)]) for seed in range(100, 130)]
    verdicts = [judge(each, guarded(each)).answer for each in seen]
    assert verdicts.count("roll_back") <= 5  # P(more | alpha = .05) = .003


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
    assert judge(evidence(pairs(100, 0.4), SHADOW), SHADOW).answer == "promote"
    inverted = judge(evidence(pairs(100, 0.7), SHADOW), SHADOW)
    assert inverted.answer == "roll_back"
    assert "0.400" in inverted.reasons[0]
    assert judge(evidence(pairs(99, 0.7), SHADOW), SHADOW).answer == "insufficient"


def test_a_shadow_that_raises_is_rolled_back_early() -> None:
    verdict = judge(evidence(pairs(20, 0.3, errors=10), SHADOW), SHADOW)
    assert verdict.answer == "roll_back"
    assert verdict.reasons[0].startswith("9 of the first 9 errors were the challenger's")


def test_a_shadow_that_lags_behind_the_champions_answers_is_judged_all_the_same() -> None:
    answered = [
        Record(kind="prediction", id=str(n), at="", unit=f"{n:x}", arm="champion", generation=GENERATION, score=0.3)
        for n in range(5000)
    ]
    seen = evidence([*answered, *pairs(100, 0.4)], SHADOW)
    assert seen.challenger.requests == 100
    assert judge(seen, SHADOW).answer == "promote"
    assert judge(evidence([*answered, *pairs(100, 0.7)], SHADOW), SHADOW).answer == "roll_back"


def test_a_stage_that_waits_for_very_long_still_sees_a_challenger_that_turns_bad() -> None:
    plan = replace(CANARY, requests=5, accepted=1e-6)
    healthy = list(traffic(8000, errors=0.01))
    assert judge(evidence(healthy, plan), plan).answer == "insufficient"
    assert judge(evidence([*healthy, *traffic(2500, errors=0.01, bad=0.4, seed=2)], plan), plan).answer == "roll_back"


def test_the_first_rollout_has_nothing_to_compare_with_and_says_so() -> None:
    first = replace(CANARY, compared=False)
    assert "no champion to compare with" in judge(evidence([]), first).reasons[0]
    assert judge(evidence([]), first).answer == "promote"
    assert judge(evidence(traffic(200, weight=100, bad=0.2), first), first).answer == "roll_back"


def test_a_first_rollout_may_be_judged_too() -> None:
    first = replace(CANARY, compared=False, first="absolute")
    assert judge(evidence([], first), first).answer == "insufficient"
    assert judge(evidence(traffic(300, weight=100), first), first).answer == "promote"
    assert judge(evidence(traffic(300, weight=100, bad=0.2), first), first).answer == "roll_back"
    unseen = replace(SHADOW, compared=False, first="absolute")  # nobody is served yet: there is nothing to mirror
    assert judge(evidence([], unseen), unseen).answer == "promote"


def test_at_full_traffic_the_error_rate_is_held_to_an_absolute_limit() -> None:
    assert judge(evidence(traffic(400, weight=100, errors=0.005), FULL), FULL).answer == "promote"
    assert judge(evidence(traffic(400, weight=100, bad=0.15), FULL), FULL).answer == "roll_back"


def test_errors_that_start_after_every_entity_was_seen_still_count() -> None:
    healthy, failing = list(traffic(60, weight=100)), list(traffic(60, weight=100, bad=1.0))
    assert judge(evidence([*healthy, *failing], FULL), FULL).answer == "roll_back"


def test_a_decision_is_recomputed_from_its_stored_json() -> None:
    seen = evidence([*baseline(), *traffic(3000, errors=0.01, bad=0.1)])
    verdict = judge(seen, CANARY)
    stored = json.loads(json.dumps({**verdict.to_json(), "evidence": seen.to_json(), "plan": CANARY.to_json()}))
    assert Evidence.from_json(stored["evidence"]) == seen
    assert recompute(stored) == verdict


def test_the_plan_of_each_stage_comes_from_the_spec(spec: ModelSpec) -> None:
    plans = {stage.name: judge_plan(spec, stage, champion=1) for stage in rollout_stages(spec)}
    assert (plans["shadow"].requests, plans["shadow"].tolerance) == (20, 0.2)
    assert (plans["canary_20"].requests, plans["canary_20"].share, plans["canary_20"].tolerance) == (50, 0.2, None)


@pytest.mark.parametrize(("rule", "answer"), [("roll_back", "roll_back"), ("wait", "insufficient")])
def test_the_deadline_does_what_the_spec_says(spec: ModelSpec, rule: str, answer: str) -> None:
    patient = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"at_deadline": rule})})
    waiting = judge(evidence([]), CANARY)
    assert at_deadline(waiting, patient, spec.rollout.deadline / 2).answer == "insufficient"
    assert at_deadline(waiting, patient, spec.rollout.deadline).answer == answer


def test_all_stages_share_the_rollouts_alpha(spec: ModelSpec) -> None:
    swap = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"strategy": "blue_green"})})
    for each in (load_spec("flight_delay"), swap):
        plans = [judge_plan(each, stage, champion=1) for stage in rollout_stages(each)[1:]]
        assert sum(one.alpha for one in plans) == pytest.approx(each.rollout.alpha)
        assert all(sum(guard.weight for guard in one.guards) == pytest.approx(1) for one in plans)


# -- promotion needs a bound ---------------------------------------------------------------------------------


def test_a_challenger_that_seldom_errs_is_promoted_by_its_own_rate() -> None:
    verdict = judge(evidence(traffic(3000)), CANARY)
    assert verdict.answer == "promote"
    assert "of its entities meet an error (accepted 5.0%)" in verdict.reasons[0]


def test_where_both_arms_err_the_bound_is_on_the_ratio() -> None:
    plan = replace(CANARY, requests=1000, accepted=0.035)
    verdict = judge(evidence(traffic(22_000, errors=0.03), plan), plan)
    assert verdict.answer == "promote"
    assert "times as often as the champion (margin 2.5)" in verdict.reasons[0]


def test_without_a_bound_under_the_margin_nothing_is_promoted() -> None:
    plan = replace(CANARY, accepted=0.001)
    verdict = judge(evidence(traffic(3000, errors=0.01), plan), plan)
    assert verdict.answer == "insufficient"
    assert "not yet shown to be at most 2.5 times the champion's" in verdict.reasons[0]


# -- guardrails ----------------------------------------------------------------------------------------------


def scored(n: int, seed: int, *, generation: int = GENERATION, weight: int = 20, invert: bool = False) -> Iterable[Record]:
    rng = np.random.default_rng(seed)
    for record in traffic(n, weight=weight, generation=generation, seed=seed):
        score = float(rng.beta(2, 8))
        record.id, record.score = f"r{seed}-{record.id}", 1 - score if invert and record.arm == "challenger" else score
        yield record


def test_inverted_scores_are_rolled_back_and_the_same_scores_are_not() -> None:
    plan = replace(CANARY, share=0.2)
    known = list(scored(1000, 5, generation=2, weight=0))
    inverted = evidence([*known, *scored(800, 6, invert=True)], plan)
    rule = guarded(inverted, plan, score_low=5.0, score_high=5.0)
    verdict = judge(inverted, rule)
    assert verdict.answer == "roll_back"
    assert "high scores (over the champion's p90) were the challenger's" in verdict.reasons[0]
    assert judge(evidence([*known, *scored(800, 6)], plan), rule).answer == "promote"


def with_labels(records: Iterable[Record], wrong: float, metric: str = "") -> Iterable[Record]:
    """A label (or an outcome) for each record; the challenger's are `wrong` that often, the champion's one in ten."""
    rng = np.random.default_rng(3)
    for record in records:
        yield record
        bad = rng.random() < (wrong if record.arm == "challenger" else 0.1)
        decided = record.score is not None and record.score >= 0.5
        value = float(bad) if metric else float(decided != bad)
        yield Record(kind="outcome" if metric else "label", id=record.id, at="", label=value, metric=metric)


@pytest.mark.parametrize(("metric", "stream"), [("", LOSS), ("complaint", "outcome:complaint")])
@pytest.mark.parametrize(("wrong", "answer"), [(0.1, "promote"), (0.5, "roll_back")])
def test_labels_and_outcomes_that_arrive_are_judged(metric: str, stream: str, wrong: float, answer: str) -> None:
    plan = replace(CANARY, share=0.2, guards=scaled([Guard("errors", 0.4), Guard(stream, 0.1)]))
    verdict = judge(evidence(with_labels(scored(800, 6), wrong, metric), plan), plan)
    assert verdict.answer == answer


def test_too_few_good_outcomes_are_rolled_back() -> None:
    plan = replace(CANARY, share=0.2, guards=scaled([Guard("errors", 0.4), Guard("outcome:sale", 0.1, fewer=True)]))
    kept = [each for each in with_labels(scored(1200, 6), 0.1, "sale") if each.kind == "prediction" or each.label]
    none = [each for each in kept if each.kind == "prediction" or not each.id or _champions(kept, each.id)]
    assert judge(evidence(kept, plan), plan).answer == "promote"
    verdict = judge(evidence(none, plan), plan)
    assert verdict.answer == "roll_back"
    assert "events of sale were the champion's" in verdict.reasons[0]


def _champions(records: list[Record], request: str) -> bool:
    return next(each.arm for each in records if each.kind == "prediction" and each.id == request) == "champion"


# -- folding -------------------------------------------------------------------------------------------------


def test_a_source_that_was_published_and_read_back_at_every_portion_counts_the_same(control: ControlStore) -> None:
    told = [*with_labels(scored(700, 5, generation=2, weight=0), 0.1), *with_labels(scored(900, 6), 0.3)]
    whole = evidence(told)
    accumulator, shelf = EvidenceAccumulator(since=1), Shelf(control)
    for first in range(0, len(told), 97):
        portion = told[first : first + 97]
        if any(each.generation == GENERATION for each in portion) and accumulator.stage is None:
            at = next(n for n, each in enumerate(portion) if each.generation == GENERATION)
            accumulator.add(portion[:at])
            accumulator = shelf.publish(accumulator)
            limits = shelf.baseline(accumulator).limits(1000.0, asked(accumulator.problem))
            accumulator.begin(stage_accumulator(CANARY, limits))
            portion = portion[at:]
        accumulator.add(portion)
        accumulator = shelf.publish(accumulator)
    assert shelf.merge().evidence() == whole


def test_evidence_stays_small_however_long_the_stage() -> None:
    plan = replace(CANARY, requests=20)
    seen = evidence(traffic(20_000, errors=0.01), plan)
    assert all(len(counts) <= SLICES + 6 * OCTAVE for pair in seen.slices.values() for counts in pair)
    assert len(json.dumps(seen.to_json())) < 60_000
