"""The page of a rollout, and what is said before one starts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from include.core.spec import ModelSpec
from include.rollout.guardrails import Guard, scaled
from include.rollout.history import Rollout
from include.rollout.judge import judge
from include.rollout.judge_plan import JudgePlan
from include.rollout.plan import rollout_stages
from include.rollout.power import power_ceiling, stage_powers
from include.rollout.report import charts, rollout_page
from tests.unit.rollout.judged_traffic import CANARY, FULL, baseline, evidence, traffic


def decided(plan: JudgePlan, **faults: float) -> dict[str, object]:
    weight = round(100 * plan.share)
    seen = evidence([*baseline(), *traffic(2500, weight=weight, **faults)], plan)
    return json.loads(json.dumps({**judge(seen, plan).to_json(), "evidence": seen.to_json(), "plan": plan.to_json()}))


def test_the_page_draws_the_evidence_against_its_boundaries_and_computes_it_again() -> None:
    rule = replace(CANARY, guards=scaled([Guard("errors", 0.5), Guard("latency_p99", 0.5)]))
    rollout = Rollout(
        "r1",
        "toy",
        2,
        1,
        "canary_5",
        "rolled_back",
        "errors <b>",
        (),
    )
    event = {"stage": "canary_5", "event": "verdict", "at": "2030-01-01T00:00:00+00:00", "evidence": decided(rule, bad=0.2)}
    page = rollout_page(rollout, [event])
    assert page.count("<svg") == 2
    assert "computed again from its evidence: the same" in page
    assert "errors &lt;b&gt;" in page
    event["evidence"]["answer"] = "promote"  # type: ignore[index]
    assert "computed again from its evidence: roll_back" in rollout_page(rollout, [event])


def test_the_page_tells_what_labels_said_with_the_limit_and_its_unit() -> None:
    words = "large errors (3.5 minutes or more, the champion's p50)"
    rule = replace(
        CANARY, guards=(Guard("errors", 0.5), Guard("loss_p50", 0.5, words=words)), label_margin=1.5, labels=("loss_p50",)
    )
    seen = evidence([*baseline(), *traffic(2500)], rule)
    told = replace(seen, slices={**seen.slices, "loss_p50": ((40, 2), (3,))})
    stored = json.loads(json.dumps({**judge(told, rule).to_json(), "evidence": told.to_json(), "plan": rule.to_json()}))
    event = {"stage": "canary_5", "event": "verdict", "at": "2030-01-01T00:00:00+00:00", "evidence": stored}
    page = rollout_page(Rollout("r1", "toy", 2, 1, "canary_5", "running", "", ()), [event])
    assert "large errors (3.5 minutes or more, the champion&#x27;s p50)</th>" in page
    assert '<td>champion</td><td class="n">42</td>' in page
    assert "label margin 1.5" in page


def test_a_stage_without_a_second_arm_draws_its_absolute_limit() -> None:
    seen = evidence(traffic(300, weight=100), FULL)
    assert charts(FULL, seen).count("<svg") == 1
    assert "nothing to draw" in charts(CANARY, evidence([]))


@pytest.mark.parametrize(("base", "ratio", "simulated"), [(0.01, 2, 0.80), (0.005, 3, 0.92), (0.001, 5, 0.73)])
def test_the_ceiling_is_what_simulation_gives(base: float, ratio: float, simulated: float) -> None:
    """`make bench AREA=judge` simulates the same cells."""
    assert power_ceiling(base, ratio, 20_000, 0.05, 0.05) == pytest.approx(simulated, abs=0.01)


def test_what_is_said_before_a_rollout_names_the_traffic_it_needs(spec: ModelSpec) -> None:
    seen = stage_powers(spec, champion=1, bases=(0.01,))
    assert [each.stage for each in seen] == ["canary_5", "canary_20"]
    blind = seen[0]
    assert blind.power < 0.8
    assert f"0.8 would need {blind.needed:,} requests" in blind.summary
    alpha = 0.05 * 0.8 / 2 * 0.4
    assert power_ceiling(0.01, 2.0, blind.needed, 0.05, alpha) == pytest.approx(0.8, abs=0.08)
    assert stage_powers(spec, champion=None) == []


def test_a_blue_green_rollout_switches_once(spec: ModelSpec) -> None:
    swap = spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"strategy": "blue_green"})})
    assert [(stage.name, stage.weight) for stage in rollout_stages(swap)] == [("smoke", 0), ("shadow", 0), ("full_100", 100)]
    assert stage_powers(swap, champion=1) == []
