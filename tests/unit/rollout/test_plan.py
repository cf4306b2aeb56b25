from __future__ import annotations

from include.core.spec import ModelSpec, Rollout
from include.rollout.plan import RolloutStage, rollout_stages
from include.routing.route import Route


def test_blue_green_has_no_canary(spec: ModelSpec) -> None:
    whole = spec.model_copy(update={"rollout": Rollout(strategy="blue_green")})
    assert [stage.name for stage in rollout_stages(whole)] == ["smoke", "shadow", "full_100"]


def test_a_stage_is_judged_where_it_has_traffic_whole_or_copied(spec: ModelSpec) -> None:
    assert {stage.name: stage.judged for stage in rollout_stages(spec)} == {
        "smoke": False, "shadow": True, "canary_5": True, "canary_20": True, "full_100": True,
    }  # fmt: skip


def test_the_route_of_a_stage_has_its_weight_or_its_copy(spec: ModelSpec) -> None:
    routes = {stage.name: stage.route(1, 2, None) for stage in rollout_stages(spec)}
    assert routes["smoke"] == Route(1, 2, 0, None, None)
    assert routes["shadow"] == Route(1, 2, 0, 2, None)
    assert routes["canary_20"] == Route(1, 2, 20, None, None)


def test_a_stored_stage_is_read_back() -> None:
    stage = RolloutStage("canary_5", 5)
    assert RolloutStage.from_json(stage.to_json()) == stage
