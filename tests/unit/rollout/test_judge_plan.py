from __future__ import annotations

import json

import pytest

from include.core.errors import SpecError
from include.core.spec import ModelSpec, Regression, Rollout
from include.rollout.guardrails import WEIGHTS, Guard
from include.rollout.judge_plan import JudgePlan, judge_plan
from include.rollout.plan import RolloutStage

STEP = RolloutStage("canary_20", weight=20)
LIMITS = {"loss_p50": 2.0, "loss_p90": 8.5}


def of_numbers(spec: ModelSpec, margin: float | None = None) -> ModelSpec:
    rollout = spec.rollout.model_copy(update={"label_margin": margin})
    return spec.model_copy(update={"problem": Regression(scale=5.0, unit="minutes"), "rollout": rollout})


def test_a_plain_binary_plan_is_stored_as_it_was_before_there_were_kinds(spec: ModelSpec) -> None:
    stored = judge_plan(spec, STEP, 1, {"latency_p50": 1.0, "score_low": 0.1}, labelled=True).to_json()
    assert not {"answers", "unit", "label_margin", "labels"} & stored.keys()
    assert [set(guard) for guard in stored["guards"]] == [{"stream", "weight", "tolerated", "fewer"}] * 4


def test_a_plan_with_labels_comes_back(spec: ModelSpec) -> None:
    plan = judge_plan(of_numbers(spec, 1.5), STEP, 1, LIMITS, labelled=True)
    assert (plan.labels, plan.label_margin, plan.unit) == (("loss_p50", "loss_p90"), 1.5, " minutes")
    assert JudgePlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_events_of_labels_share_the_weight_of_labels(spec: ModelSpec) -> None:
    plan = judge_plan(of_numbers(spec), STEP, 1, LIMITS, labelled=True)
    total = WEIGHTS["errors"] + WEIGHTS["loss"]
    assert [guard.weight for guard in plan.guards] == pytest.approx(
        [WEIGHTS["errors"] / total, WEIGHTS["loss"] / 2 / total, WEIGHTS["loss"] / 2 / total]
    )
    assert judge_plan(of_numbers(spec), STEP, 1, LIMITS).guards == (Guard("errors"),)


def test_a_margin_of_labels_needs_a_step_with_two_arms() -> None:
    assert Rollout(label_margin=1.5).label_margin == 1.5
    for wrong in ({"strategy": "blue_green"}, {"steps": (100,)}):
        with pytest.raises(SpecError, match="label_margin compares two arms, and no step has them"):
            Rollout(label_margin=1.5, **wrong)
    with pytest.raises(SpecError, match="label_margin"):
        Rollout(label_margin=1.0)
