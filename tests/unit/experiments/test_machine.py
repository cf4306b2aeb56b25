"""The state machine: what it refuses, what a retry finds, and what the route says meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from include.core import fault
from include.core.control import ControlStore, audit
from include.core.errors import ConflictError, FencedError, GateClosed
from include.experiment_state.queries import live_in
from include.experiments.look import look_at
from include.experiments.machine import conclude, interrupt, record_look, start_experiment, stop
from include.experiments.record import ExperimentRecord, list_experiments, live_experiment, looks, read_experiment
from include.rollout.machine import open_rollout
from include.rollout.rollback import roll_back_model
from include.routing.route import Route, read_route, set_route
from include.routing.split import Split
from tests.support.experiment_log import MODEL, TRIAL, Behaviour, changed, crown, lived, plan, started
from tests.support.rollout_spec import rollout_spec

BETTER = Behaviour(sale=(0.1, 0.5))


def looked(control: ControlStore, home: Path, record: ExperimentRecord, day: int = 7) -> dict[str, object]:
    seen = look_at(home, record, record.plan.look(day))
    epoch = control.take(record.resource, "looker")
    return record_look(control, record, seen.evidence, seen.decision.to_json(), epoch)


def test_its_arms_are_in_the_route_while_it_runs(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, BETTER)
    route = read_route(control, MODEL)[1]
    assert route == Route(champion=1, challenger=2, experiment=Split(record.id, f"experiment/toy/{record.id}", 10_000, 5_000))
    assert looked(control, tmp_path, record) == {"answer": "better", "day": 7}
    ended = conclude(control, record, actor="test", epoch=control.take(record.resource, "end"))
    assert ended["answer"] == "better"
    assert read_route(control, MODEL) == (ended["generation"], Route(champion=1))
    kept = read_experiment(control, record.id)
    assert (kept.state, kept.answer, kept.live) == ("decided", "better", False)
    assert kept.decision["evidence"] == looks(control, record.id)[0].evidence
    assert live_experiment(control, MODEL) is None


def test_the_same_request_starts_it_once(control: ControlStore) -> None:
    one, again = started(control), started(control)
    assert one == again
    assert started(control, request="another run").id == one.id  # of the same version: it is that experiment
    with pytest.raises(ConflictError, match="live experiment"):
        started(control, treatment=3)
    assert [each.id for each in list_experiments(control, MODEL)] == [one.id]


def test_a_version_needs_an_open_gate_and_a_champion(control: ControlStore) -> None:
    epoch = control.take(f"experiment/{MODEL}", "test")
    with pytest.raises(ConflictError, match="no champion"):
        start_experiment(control, MODEL, plan(), 2, request="r", actor="test", epoch=epoch)
    crown(control)
    with pytest.raises(ConflictError, match="is the champion itself"):
        started(control, treatment=1)
    with pytest.raises(GateClosed, match="no Candidate"):
        started(control, treatment=4)
    assert read_route(control, MODEL)[1] == Route(champion=1)


def test_an_experiment_and_a_rollout_exclude_each_other(control: ControlStore) -> None:
    crown(control)
    spec = rollout_spec(MODEL)
    epoch = control.take(f"rollout/{MODEL}", "test")
    open_rollout(control, spec, 3, request="a", actor="test", epoch=epoch)
    with pytest.raises(ConflictError, match="live rollout"):
        started(control)
    roll_back_model(control, MODEL, actor="test", reason="-")
    record = started(control)
    epoch = control.take(f"rollout/{MODEL}", "test")
    with pytest.raises(ConflictError, match="live experiment"):
        open_rollout(control, spec, 2, request="b", actor="test", epoch=epoch)
    stop(control, record, reason="tired", actor="me", epoch=control.take(record.resource, "me"))
    assert open_rollout(control, spec, 2, request="c", actor="test", epoch=epoch).challenger == 2


@pytest.mark.thorough
def test_of_a_rollout_and_an_experiment_that_begin_at_once_one_is_refused(anywhere: ControlStore) -> None:
    crown(anywhere)
    epoch = anywhere.take(f"rollout/{MODEL}", "test")

    def rollout() -> None:
        open_rollout(anywhere, rollout_spec(MODEL), 3, request="a", actor="test", epoch=epoch)

    with ThreadPoolExecutor(2) as pool:
        tried = [pool.submit(rollout), pool.submit(started, anywhere)]
    errors = [each.exception() for each in tried]
    assert sorted(isinstance(error, ConflictError) for error in errors) == [False, True]
    assert [error is None for error in errors].count(True) == 1
    with anywhere.transaction() as connection:
        assert (live_in(connection, MODEL) is None) == (errors[0] is None)


def test_stopped_by_hand_it_has_no_answer_and_says_why(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, BETTER)
    looked(control, tmp_path, record)
    stop(control, record, reason="a holiday", actor="me", epoch=control.take(record.resource, "me"))
    kept = read_experiment(control, record.id)
    assert (kept.state, kept.answer, kept.decision["reasons"]) == ("stopped", "", ["a holiday"])
    assert kept.decision["effects"]["sale"]["difference"] > 0.3  # what was seen by then is kept
    with control.transaction() as connection:
        actions = connection.execute(audit.select()).mappings().all()
    assert [row["action"] for row in actions][-2:] == ["experiment.start", "experiment.stopped"]
    # Whoever comes later with a decision finds it ended.
    assert conclude(control, record, actor="late", epoch=control.take(record.resource, "late"))["state"] == "stopped"
    with pytest.raises(GateClosed, match="is over"):
        looked(control, tmp_path, record, day=6)


def test_nothing_is_concluded_without_a_decision(control: ControlStore, tmp_path: Path) -> None:
    record = lived(control, tmp_path, Behaviour())
    epoch = control.take(record.resource, "end")
    with pytest.raises(ConflictError, match="has decided nothing"):
        conclude(control, record, actor="test", epoch=epoch)
    looked(control, tmp_path, record, day=3)
    with pytest.raises(ConflictError, match="has decided nothing"):
        conclude(control, record, actor="test", epoch=control.take(record.resource, "end"))
    assert read_experiment(control, record.id).live


def test_a_rollback_beneath_it_interrupts_it(control: ControlStore) -> None:
    record = started(control)
    assert interrupt(control, record, epoch=control.take(record.resource, "look")) is None
    with control.transaction() as connection:
        generation = set_route(connection, MODEL, Route(champion=3))
    ended = interrupt(control, record, epoch=control.take(record.resource, "look"))
    assert ended is not None
    assert ended["state"] == "interrupted"
    assert read_route(control, MODEL) == (generation, Route(champion=3))  # whoever moved the traffic had their reasons


def test_a_zombie_is_refused(control: ControlStore) -> None:
    record = started(control)
    old = control.take(record.resource, "zombie")
    control.take(record.resource, "heir")
    with pytest.raises(FencedError):
        stop(control, record, reason="-", actor="zombie", epoch=old)
    assert read_experiment(control, record.id).live


@pytest.mark.thorough
@pytest.mark.parametrize("point", ["control.once.begin", "control.once.effect", "control.once.committed"])
@pytest.mark.parametrize("step", ["start", "look", "conclude", "stop"])
def test_broken_at_any_point_and_tried_again_it_happens_once(
    point: str, step: str, control: ControlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(control)
    record = None if step == "start" else lived(control, tmp_path, BETTER)
    if step == "conclude" and record is not None:
        looked(control, tmp_path, record)

    def act() -> None:
        if step == "start" or record is None:
            started(control)
        elif step == "look":
            looked(control, tmp_path, record)
        else:
            end = conclude if step == "conclude" else stop
            more = {} if step == "conclude" else {"reason": "-"}
            end(control, record, actor="test", epoch=control.take(record.resource, "t"), **more)  # type: ignore[operator]

    broken = []

    def breaks(name: str) -> None:
        if name == point and not broken:
            broken.append(name)
            raise SystemExit(137)

    monkeypatch.setattr(fault, "point", breaks)
    with pytest.raises(SystemExit):
        act()
    act()
    act()
    known = list_experiments(control, MODEL)
    assert len(known) == 1
    generation, route = read_route(control, MODEL)
    held = step in ("start", "look")
    assert (generation, route.experiment is not None, known[0].live) == (2 if held else 3, held, held)
    assert len(looks(control, known[0].id)) == (1 if step in ("look", "conclude") else 0)
    assert not control.broken_audit_rows()


def test_the_same_salt_draws_the_same_arms_and_another_other_ones(control: ControlStore) -> None:
    one = started(control, plan(changed(salt="spring")))
    route = read_route(control, MODEL)[1].experiment
    assert route is not None
    assert route.salt == "experiment/toy/spring"
    assert TRIAL.salt == ""
    assert one.plan.salt == "spring"
