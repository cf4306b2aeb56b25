from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError, FencedError, GateClosed
from include.core.spec import ModelSpec
from include.rollout.history import events, list_rollouts, live_rollout, read_rollout, withdrawn
from include.rollout.machine import enter_stage, open_rollout, promote, record_verdict, roll_back
from include.rollout.plan import rollout_stages
from include.rollout.rollback import roll_back_model
from include.routing.route import Route, read_route
from tests.unit.rollout.walks import PASS, actions, crowned, opened, stages, walk


def test_the_stages_follow_the_spec(spec: ModelSpec) -> None:
    assert [(s.name, s.weight, s.shadow) for s in rollout_stages(spec)] == [
        ("smoke", 0, False), ("shadow", 0, True), ("canary_5", 5, False), ("canary_20", 20, False), ("full_100", 100, False),
    ]  # fmt: skip


def test_a_rollout_walks_to_promotion_and_its_routes_follow(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    assert read_route(control, "toy")[1] == Route(champion=1)
    rollout, epoch = opened(control, spec, 2)
    routes = []
    for stage in rollout.stages:
        enter_stage(control, rollout, stage.name, epoch)
        routes.append(read_route(control, "toy")[1])
        record_verdict(control, rollout, stage.name, PASS, epoch)
    assert [(r.champion, r.challenger, r.weight, r.shadow) for r in routes] == [
        (1, 2, 0, None), (1, 2, 0, 2), (1, 2, 5, None), (1, 2, 20, None), (1, 2, 100, None),
    ]  # fmt: skip
    promote(control, rollout, actor="test", epoch=epoch)
    assert read_route(control, "toy")[1] == Route(champion=2, previous=1)
    assert stages(control) == {1: "Archived", 2: "Production", 3: "Candidate", 4: "Staging"}
    assert live_rollout(control, "toy") is None
    told = [(event["stage"], event["event"]) for event in events(control, rollout.id)]
    assert told[:3] == [("opened", "opened"), ("smoke", "entered"), ("smoke", "verdict")]
    assert told[-1] == ("promote", "promoted")
    assert control.broken_audit_rows() == []


def test_doing_everything_twice_changes_nothing(control: ControlStore, spec: ModelSpec) -> None:
    rollout, epoch = opened(control, spec, 1)
    for stage in rollout.stages:
        assert enter_stage(control, rollout, stage.name, epoch) == enter_stage(control, rollout, stage.name, epoch)
        record_verdict(control, rollout, stage.name, PASS, epoch)
        late = {"answer": "roll_back", "reasons": ["too late: the first verdict stands"]}
        assert record_verdict(control, rollout, stage.name, late, epoch) == "promote"
    assert promote(control, rollout, actor="test", epoch=epoch) == promote(control, rollout, actor="test", epoch=epoch) == 6
    again, epoch = opened(control, spec, 1)
    assert (again.id, again.state) == (rollout.id, "promoted")
    assert len(list_rollouts(control, "toy")) == 1
    assert len(events(control, rollout.id)) == 2 + 2 * len(rollout.stages)


def test_a_cleared_early_stage_does_not_move_the_traffic_back(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, epoch = opened(control, spec, 2)
    walk(control, rollout, epoch, until="canary_20")
    enter_stage(control, rollout, "canary_20", epoch)
    enter_stage(control, rollout, "canary_5", epoch)
    assert read_route(control, "toy")[1].weight == 20


def test_one_live_rollout_a_model_and_the_error_names_it(control: ControlStore, spec: ModelSpec) -> None:
    rollout, _ = opened(control, spec, 1)
    same, _ = opened(control, spec, 1, "another run")
    assert same.id == rollout.id
    with pytest.raises(ConflictError, match=rollout.id):
        opened(control, spec, 2)


def test_of_many_openings_at_once_one_is_live(control: ControlStore, spec: ModelSpec) -> None:
    epoch = control.take("rollout/toy", "all of them")

    def attempt(version: int) -> str:
        try:
            return open_rollout(control, spec, version, request=f"r{version}", actor="test", epoch=epoch).id
        except ConflictError:
            return "conflict"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(attempt, [1, 2, 3, 1, 2, 3]))
    assert len(set(answers) - {"conflict"}) == 1
    assert len(list_rollouts(control, "toy")) == 1


def test_a_late_attempt_is_fenced_off(control: ControlStore, spec: ModelSpec) -> None:
    rollout, late = opened(control, spec, 1)
    control.take("rollout/toy", "the retry")
    before = read_route(control, "toy")
    with pytest.raises(FencedError, match="the retry"):
        enter_stage(control, rollout, "smoke", late)
    assert read_route(control, "toy") == before


def test_a_stage_stays_closed_without_the_verdict_before_it(control: ControlStore, spec: ModelSpec) -> None:
    rollout, epoch = opened(control, spec, 1)
    with pytest.raises(GateClosed, match="smoke"):
        enter_stage(control, rollout, "shadow", epoch)
    walk(control, rollout, epoch, until="full_100")
    enter_stage(control, rollout, "full_100", epoch)
    with pytest.raises(GateClosed, match="full_100"):
        promote(control, rollout, actor="test", epoch=epoch)


def test_only_a_candidate_may_be_rolled_out(control: ControlStore, spec: ModelSpec) -> None:
    with pytest.raises(GateClosed, match="no Candidate"):
        opened(control, spec, 4)
    with pytest.raises(DataError, match="no registered version 9"):
        opened(control, spec, 9)
    crowned(control, spec, 1)
    with pytest.raises(ConflictError, match="champion already"):
        opened(control, spec, 1, "again")


def test_a_roll_back_verdict_takes_the_traffic_back_in_the_same_transaction(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, epoch = opened(control, spec, 2)
    walk(control, rollout, epoch, until="canary_20")
    enter_stage(control, rollout, "canary_20", epoch)
    record_verdict(control, rollout, "canary_20", {"answer": "roll_back", "reasons": ["errors"]}, epoch)
    assert read_route(control, "toy")[1] == Route(champion=1)
    over = read_rollout(control, rollout.id)
    assert (over.state, over.reason, over.stage) == ("rolled_back", "errors", "canary_20")
    assert stages(control)[2] == "Archived"
    with pytest.raises(GateClosed, match="rolled_back"):
        enter_stage(control, rollout, "full_100", epoch)
    generation = read_route(control, "toy")[0]
    assert roll_back(control, rollout, reason="once more", actor="test", epoch=epoch) == generation
    assert read_route(control, "toy")[0] == generation


def test_insufficient_is_never_recorded(control: ControlStore, spec: ModelSpec) -> None:
    rollout, epoch = opened(control, spec, 1)
    with pytest.raises(DataError, match="final"):
        record_verdict(control, rollout, "smoke", {"answer": "insufficient"}, epoch)


def test_the_command_line_ends_a_live_rollout_and_fences_its_driver(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    rollout, epoch = opened(control, spec, 2)
    walk(control, rollout, epoch, until="canary_20")
    done = roll_back_model(control, "toy", actor="ada", reason="looks wrong")
    assert (done.gone, done.serving) == (2, 1)
    assert read_route(control, "toy") == (done.generation, Route(champion=1))
    with pytest.raises(FencedError):
        enter_stage(control, rollout, "canary_20", epoch)
    assert actions(control)[-1] == "rollout.roll_back"


def test_the_command_line_returns_to_the_previous_champion_once(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    crowned(control, spec, 2)
    done = roll_back_model(control, "toy", actor="ada", reason="complaints")
    assert (done.gone, done.serving) == (2, 1)
    assert read_route(control, "toy")[1] == Route(champion=1)
    assert stages(control) == {1: "Production", 2: "Archived", 3: "Candidate", 4: "Staging"}
    with pytest.raises(ConflictError, match="no previous champion"):
        roll_back_model(control, "toy", actor="ada", reason="again")


def test_withdrawn_are_the_versions_that_were_rolled_back_and_do_not_serve(control: ControlStore, spec: ModelSpec) -> None:
    crowned(control, spec, 1)
    assert withdrawn(control, "toy") == []
    rollout, epoch = opened(control, spec, 2)
    walk(control, rollout, epoch, until="canary_5")
    roll_back(control, rollout, reason="errors", actor="test", epoch=epoch)
    assert withdrawn(control, "toy") == [2]
    crowned(control, spec, 3)
    roll_back_model(control, "toy", actor="ada", reason="complaints")  # back to 1
    assert withdrawn(control, "toy") == [2, 3]
    assert withdrawn(control, "other") == []
