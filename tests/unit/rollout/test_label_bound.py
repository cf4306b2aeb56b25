"""Labels of every kind through accumulator and judge: what rolls back, and what a promotion waits for where a margin is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from benchmarks.judge.label_worlds import WORLDS
from benchmarks.judge.labels import GOOD, rates
from include.core.control import ControlStore
from include.core.spec import AnyKind, Binary, Costs, ModelSpec, MultiClass, Ranking, Regression
from include.core.time import precise
from include.prediction_log.record import Record
from include.rollout.evidence import LABELLED, first_of
from include.rollout.evidence_accumulator import EvidenceAccumulator, StageAccumulator
from include.rollout.judge import Verdict, judge
from include.rollout.judge_plan import JudgePlan, judge_plan
from include.rollout.plan import RolloutStage
from include.rollout.stage_evaluation import recompute
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from include.routing.route import Route
from tests.support.effort import effort
from tests.support.evidence import Shelf, baseline_of, evidence_of, limits_of, slices_of

STEP = RolloutStage("canary_50", weight=50)
START = datetime(2026, 1, 1, tzinfo=UTC)
Draw = Callable[[np.random.Generator, bool], tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True)
class Kind:
    """A problem, and a way to draw an answer with its label; `worse`: the challenger is the worse one."""

    value: AnyKind
    draw: Draw


def numbers(rng: np.random.Generator, worse: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    truth = float(rng.normal(30, 20))
    return {"score": truth + float(rng.standard_t(2)) * (6 if worse else 2)}, {"label": truth}


def costs(rng: np.random.Generator, worse: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    amount, fraud = float(rng.lognormal(3)), rng.random() < 0.6
    blind = rng.random() < (0.9 if worse else 0.3)
    return {"score": 0.001 if blind else float(fraud), "features": {"amount": amount}}, {"label": float(fraud)}


def classes(rng: np.random.Generator, worse: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    truth, wrong = int(rng.integers(3)), rng.random() < (0.5 if worse else 0.2)
    return {"score": 0.8, "decision": (truth + wrong) % 3}, {"label_class": "abc"[truth]}


def ranking(rng: np.random.Generator, worse: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    place = int(rng.integers(20)) if worse else int(rng.geometric(0.2)) - 1
    return {"score": float(rng.normal()) * (1000 if worse else 1), "place": place}, {"label": 3.0}


KINDS = {
    "numbers": Kind(Regression(scale=5.0, unit="minutes"), numbers),
    "costs": Kind(Binary(costs=Costs(false_positive=1.0, false_negative="amount")), costs),
    "classes": Kind(MultiClass(classes=("a", "b", "c")), classes),
    "ranking": Kind(Ranking(query="user", item="item", at=5), ranking),
}


def records(kind: Kind, requests: int, generation: int, worse: bool, seed: int) -> Iterator[Record]:
    rng, route = np.random.default_rng(seed), Route(champion=1, challenger=2, weight=50 if generation > 1 else 0)
    for number in range(requests):
        key = unit(f"{seed}-{number // 2}", "toy")
        arm = route.arm(key)
        answer, label = kind.draw(rng, worse and arm == "challenger")
        told = {"arm": arm, "generation": generation, "unit": f"{key:016x}", "latency_us": 100.0, **answer}
        for place, (kind_of, values) in enumerate((("prediction", told), ("label", label))):
            yield Record(kind_of, f"{generation}-{number}", precise(START + timedelta(seconds=2 * number + place)), **values)


def asked(spec: ModelSpec, kind: Kind, margin: float | None) -> ModelSpec:
    rollout = spec.rollout.model_copy(update={"steps": (50, 100), "step_requests": 400, "label_margin": margin})
    return spec.model_copy(update={"problem": kind.value, "rollout": rollout})


def canary(
    spec: ModelSpec, kind: Kind, margin: float | None, worse: bool, requests: int = 1000
) -> tuple[EvidenceAccumulator, JudgePlan]:
    wanted = asked(spec, kind, margin)
    accumulator = EvidenceAccumulator(since=1, problem=kind.value)
    accumulator.add(records(kind, 400, 1, False, 5))
    limits = limits_of(accumulator, 1000.0)
    plan = judge_plan(wanted, STEP, 1, limits, labelled=True)
    accumulator.begin(
        StageAccumulator(
            StageTerms(
                STEP.name, 2, plan.planned, False, limits, True, 0.5, True, problem=kind.value, first_labels=margin is not None
            )
        )
    )
    accumulator.add(records(kind, requests, 2, worse, 6))
    return accumulator, plan


def verdict_of(accumulator: EvidenceAccumulator, plan: JudgePlan) -> Verdict:
    assert accumulator.stage is not None
    return judge(evidence_of(accumulator.stage), plan)


WORDS = {
    "numbers": "large errors (", "costs": "costly errors (", "classes": "wrong answers", "ranking": "relevant items below",
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_labels_roll_a_worse_challenger_back_and_leave_one_that_is_alike(spec: ModelSpec, name: str) -> None:
    alike = verdict_of(*canary(spec, KINDS[name], None, worse=False))
    assert alike.answer == "promote", alike.reasons
    worse = verdict_of(*canary(spec, KINDS[name], None, worse=True))
    assert worse.answer == "roll_back"
    assert any(WORDS[name] in reason for reason in worse.reasons), worse.reasons


def test_a_rankings_scores_roll_nothing_back_however_large(spec: ModelSpec) -> None:
    _, plan = canary(spec, KINDS["ranking"], None, worse=True, requests=2)
    assert not any(guard.stream.startswith("score") for guard in plan.guards)


def test_large_errors_are_named_with_their_limit_and_unit(spec: ModelSpec) -> None:
    accumulator, plan = canary(spec, KINDS["numbers"], None, worse=True)
    assert accumulator.stage is not None
    limit = accumulator.stage.terms.limits["loss_p50"]
    said = next(guard.description for guard in plan.guards if guard.stream == "loss_p50")
    assert said == f"large errors ({limit:.4g} minutes or more, the champion's p50)"
    assert "high values (over the champion's p90)" in [guard.description for guard in plan.guards]


@pytest.mark.parametrize("name", KINDS)
def test_a_promotion_waits_until_the_labels_rule_the_margin_out(spec: ModelSpec, name: str) -> None:
    far = verdict_of(*canary(spec, KINDS[name], 8.0, worse=False))
    assert far.answer == "promote", far.reasons
    assert "by its labels" in far.reasons[0]
    assert "times the champion's (label margin 8)" in far.reasons[0]
    near = verdict_of(*canary(spec, KINDS[name], 1.05, worse=False))
    assert near.answer == "insufficient"
    assert "are not yet shown to be at most 1.05 times the champion's" in near.reasons[1]


def test_a_margin_says_that_no_labels_were_expected(spec: ModelSpec) -> None:
    accumulator, _ = canary(spec, KINDS["numbers"], 1.05, worse=False)
    unlabelled = judge_plan(asked(spec, KINDS["numbers"], 1.05), STEP, 1, plan_limits(accumulator), labelled=False)
    verdict = verdict_of(accumulator, unlabelled)
    assert verdict.answer == "promote"
    assert "labels were not expected, so none was asked for (label margin 1.05)" in verdict.reasons[0]


def plan_limits(accumulator: EvidenceAccumulator) -> dict[str, float]:
    assert accumulator.stage is not None
    return accumulator.stage.terms.limits


def test_only_a_stage_with_two_arms_asks_for_labels(spec: ModelSpec) -> None:
    wanted = asked(spec, KINDS["numbers"], 1.5)
    for stage in (RolloutStage("shadow", shadow=True), RolloutStage("full_100", weight=100)):
        plan = judge_plan(wanted, stage, 1, {"loss_p50": 1.0}, labelled=True)
        assert (plan.label_margin, plan.labels) == (None, ())
    assert judge_plan(wanted, STEP, 1, {"loss_p50": 1.0}, labelled=True).labels == ("loss_p50",)
    assert judge_plan(wanted, STEP, None, {"loss_p50": 1.0}, labelled=True).labels == ()


def test_the_first_label_of_an_entity_is_its_one_observation(spec: ModelSpec) -> None:
    """Two labels an entity: the ever-counted events saturate, the first ones do not."""
    accumulator, _ = canary(spec, KINDS["classes"], 2.0, worse=False)
    assert accumulator.stage is not None
    slices = slices_of(accumulator.stage)
    labelled, first, ever = (sum(map(sum, slices[name])) for name in (LABELLED, first_of("loss"), "loss"))
    assert 480 < labelled <= 500  # entities that share a bit of the map are one
    assert 60 < first < 140
    assert first < ever < 1.9 * first
    assert LABELLED not in _without_margin(spec)


def test_events_are_counted_as_the_simulation_counts_them(spec: ModelSpec) -> None:
    """Of the log's records, by hand: entities that ever met each event, and those whose first label was it."""
    accumulator, _ = canary(spec, KINDS["numbers"], 2.0, worse=True, requests=300)
    assert accumulator.stage is not None
    limits, told = accumulator.stage.terms.limits, list(records(KINDS["numbers"], 300, 2, True, 6))
    answers = {record.id: record for record in told if record.kind == "prediction"}
    losses: dict[tuple[str, str], list[float]] = {}
    for record in told:
        if record.kind == "label":
            answer = answers[record.id]
            assert record.label is not None
            assert answer.score is not None
            losses.setdefault((answer.arm, answer.unit), []).append(abs(record.label - answer.score))
    for place, arm in enumerate(("champion", "challenger")):
        own = [each for (whose, _), each in losses.items() if whose == arm]
        for name in ("loss_p50", "loss_p90"):
            ever, first = sum(max(each) >= limits[name] for each in own), sum(each[0] >= limits[name] for each in own)
            assert sum(slices_of(accumulator.stage)[name][place]) == ever
            assert sum(slices_of(accumulator.stage)[first_of(name)][place]) == first
        assert sum(slices_of(accumulator.stage)[LABELLED][place]) == len(own)


def _without_margin(spec: ModelSpec) -> dict[str, tuple[list[int], list[int]]]:
    accumulator, _ = canary(spec, KINDS["classes"], None, worse=False)
    assert accumulator.stage is not None
    return slices_of(accumulator.stage)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_stored_in_the_middle_and_a_decision_is_judged_again(
    spec: ModelSpec, control: ControlStore, name: str
) -> None:
    whole, plan = canary(spec, KINDS[name], 2.0, worse=True)
    half, _ = canary(spec, KINDS[name], 2.0, worse=True, requests=0)
    told, shelf = list(records(KINDS[name], 1000, 2, True, 6)), Shelf(control)
    for first in range(0, len(told), 701):
        half.add(told[first : first + 701])
        half = shelf.publish(half)
    assert whole.stage is not None
    evidence = evidence_of(whole.stage)
    assert shelf.merge().evidence() == evidence
    assert shelf.baseline(half) == baseline_of(whole)
    verdict = judge(evidence, plan)
    stored = json.loads(json.dumps({**verdict.to_json(), "evidence": evidence.to_json(), "plan": plan.to_json()}))
    assert recompute(stored) == verdict
    assert JudgePlan.from_json(stored["plan"]) == plan


def test_a_shadow_of_lists_that_were_not_compared_says_so(spec: ModelSpec) -> None:
    wanted = asked(spec, KINDS["ranking"], None)
    plan = replace(judge_plan(wanted, RolloutStage("shadow", shadow=True), 1), requests=4)
    stage = StageAccumulator(StageTerms("shadow", 2, 4, True, {}, False, 0.5, False, problem=KINDS["ranking"].value))
    for number in range(4):
        stage.add(Record("shadow", str(number), "", unit=f"{number}", score=1.0, against=5.0))
    verdict = judge(evidence_of(stage), plan)
    assert verdict.answer == "promote"
    assert verdict.reasons[1] == "its lists were not compared with the champion's: no line of the log holds both"
    for number in range(8):
        stage.add(
            Record("shadow", f"l{number}", "", unit=f"{number}", score=1.0, against=5.0, place=7 - number, against_place=number)
        )
    verdict = judge(evidence_of(stage), plan)
    assert verdict.reasons[0].startswith("its lists differ from the champion's by 0.600 on average, more than the tolerance 0.2")


def test_a_shadow_of_numbers_is_compared_in_their_unit(spec: ModelSpec) -> None:
    wanted = asked(spec, KINDS["numbers"], None)
    plan = replace(judge_plan(wanted, RolloutStage("shadow", shadow=True), 1), requests=4)
    stage = StageAccumulator(StageTerms("shadow", 2, 4, True, {}, False, 0.5, False, problem=KINDS["numbers"].value))
    for number in range(4):
        stage.add(Record("shadow", str(number), "", unit=f"{number}", score=40.0, against=27.5))
    reason = judge(evidence_of(stage), plan).reasons[0]
    assert reason == "its values differ from the champion's by 12.500 minutes on average, more than the tolerance 0.2 minutes"


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_false_rollbacks_and_false_promotions_by_labels_stay_under_alpha_and_beta(world: Any) -> None:
    stages = effort(60, 2000)
    measured = rates(world, 200, 3, stages)
    del measured[GOOD]
    assert max(measured.values()) <= 0.05 + 4 * (0.05 * 0.95 / stages) ** 0.5
