"""Live rollouts that nobody drives are told, and after the grace time taken over or taken back; driven ones are left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from include.core.control import rollout_events
from include.core.errors import SpecError
from include.core.spec import ModelSpec
from include.rollout.driver import Driver, live_rollouts
from include.rollout.history import events, live_rollout, read_rollout
from include.rollout.machine import open_rollout
from include.rollout.pause import abort, pause, resume
from include.routing.route import read_route
from tests.support.fake_airflow import RunState
from tests.unit.reconcile.conftest import MODEL, ROLLOUT, SPEC, Place


def failed(place: Place) -> None:
    place.airflow.runs[ROLLOUT, "r1"] = RunState.FAILED


def succeeded(place: Place) -> None:
    place.airflow.runs[ROLLOUT, "r1"] = RunState.SUCCESS


def deleted(place: Place) -> None:
    del place.airflow.runs[ROLLOUT, "r1"]


def all_over(place: Place) -> None:
    place.airflow.states[ROLLOUT, "r1"] = dict.fromkeys(("open", "canary_5", "promote", "roll_back"), "success")


def dag_paused(place: Place) -> None:
    place.airflow.dags[ROLLOUT] = True


def dag_gone(place: Place) -> None:
    place.airflow.dags.clear()


WAYS: dict[str, Callable[[Place], None]] = {
    "over (failed)": failed, "over (success)": succeeded, "was deleted": deleted, "all its tasks are over": all_over,
    "is paused": dag_paused, "is gone": dag_gone,
}  # fmt: skip
BY_A_RUN = [summary for summary in WAYS if not summary.startswith("is ")]


@pytest.fixture
def canary(place: Place) -> Place:
    """Version 2 has 5 percent, version 1 the rest."""
    place.champion(1)
    place.version(2)
    place.canary()
    return place


def weight(place: Place) -> int:
    return read_route(place.control, MODEL)[1].weight


def state(place: Place) -> str:
    live = live_rollout(place.control, MODEL)
    return live.state if live else "over"


def test_a_driven_rollout_is_left_alone(canary: Place) -> None:
    assert canary.look().to_json() == {"found": [], "changed": [], "unknown": {}}
    assert weight(canary) == 5


@pytest.mark.parametrize("summary", WAYS)
def test_one_that_nobody_drives_is_reported_and_then_taken_back(canary: Place, summary: str) -> None:
    WAYS[summary](canary)
    (finding,) = canary.look().found
    assert summary in finding.summary
    assert (weight(canary), canary.told()) == (5, ["rollout_undriven"])
    canary.later(minutes=4)
    assert canary.look().changed == []  # it may come back
    canary.later(minutes=2)
    assert len(canary.look().changed) == 1
    assert (weight(canary), state(canary), canary.stages()[2]) == (0, "over", "Archived")
    assert canary.told() == ["rollout_undriven", "rolled_back"]
    assert canary.audited()[-3:] == ["reconcile.undriven", "rollout.roll_back", "reconcile.take_back"]
    assert canary.control.broken_audit_rows() == []
    assert canary.look().found == []


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_run_that_was_marked_and_whose_teardown_is_at_work_drives_it_still(canary: Place, state: str) -> None:
    failed(canary)
    canary.airflow.states[ROLLOUT, "r1"]["roll_back"] = state
    assert canary.look().found == []
    canary.airflow.states[ROLLOUT, "r1"]["roll_back"] = "up_for_retry"  # of a run that is over nothing is tried again
    assert len(canary.look().found) == 1


@pytest.mark.parametrize("summary", BY_A_RUN)
def test_by_the_specs_choice_a_new_run_goes_on_with_it(canary: Place, summary: str) -> None:
    canary.orphaned(orphaned="resume")
    rollout = live_rollout(canary.control, MODEL)
    assert rollout is not None
    WAYS[summary](canary)
    canary.look()
    canary.later(minutes=6)
    canary.look()
    ((dag_id, run_id, conf),) = canary.airflow.made
    assert (dag_id, conf) == (ROLLOUT, {"version": 2})
    assert canary.told() == ["rollout_undriven", "rollout_resumed"]
    # It opens the same rollout, and drives it from then on.
    request = Driver(dag_id, run_id).request
    assert open_rollout(canary.control, SPEC, 2, request=request, actor="t", epoch=99).id == rollout.id
    canary.running(dag_id, run_id, canary_5="deferred")
    canary.look()
    canary.later(minutes=60)
    assert canary.look().found == []
    assert (len(canary.airflow.made), weight(canary)) == (1, 5)
    told = [event["event"] for event in events(canary.control, rollout.id)]
    assert told[-4:] == ["entered", "adopted", "undriven", "driven"]


@pytest.mark.parametrize("summary", ["is paused", "is gone"])
def test_where_no_run_can_help_the_traffic_goes_back_whatever_the_spec_chose(canary: Place, summary: str) -> None:
    canary.orphaned(orphaned="resume")
    WAYS[summary](canary)
    canary.look()
    canary.later(minutes=6)
    canary.look()
    assert (canary.airflow.made, weight(canary)) == ([], 0)


def test_a_run_that_airflow_refuses_to_make_takes_the_traffic_back(canary: Place) -> None:
    canary.orphaned(orphaned="resume")
    failed(canary)
    canary.airflow.broken = True
    canary.look()
    canary.later(minutes=6)
    canary.look()
    assert weight(canary) == 0
    assert "import errors" in read_rollout(canary.control, _only(canary)).reason


def test_a_run_that_took_over_and_failed_too_takes_the_traffic_back(canary: Place) -> None:
    canary.orphaned(orphaned="resume")
    failed(canary)
    canary.look()
    canary.later(minutes=6)
    canary.look()
    ((dag_id, run_id, _),) = canary.airflow.made
    canary.airflow.runs[dag_id, run_id] = RunState.FAILED
    canary.look()
    assert weight(canary) == 0


def test_a_run_that_was_to_take_over_is_made_again_where_it_is_not_there(canary: Place) -> None:
    """The reconciler was killed between writing it down and asking Airflow; or a person deleted it."""
    canary.orphaned(orphaned="resume")
    failed(canary)
    canary.look()
    canary.later(minutes=6)
    canary.look()
    ((dag_id, run_id, _),) = canary.airflow.made
    del canary.airflow.runs[dag_id, run_id]
    canary.look()
    assert [run for _, run, _ in canary.airflow.made] == [run_id, run_id]
    assert weight(canary) == 5


def test_a_rollout_that_a_person_paused_is_no_orphan(canary: Place) -> None:
    pause(canary.control, MODEL, actor="ada", reason="lunch")
    failed(canary)
    canary.look()
    canary.later(hours=20)
    assert canary.look().found == []
    assert weight(canary) == 5
    resume(canary.control, MODEL, actor="ada", reason="back")
    canary.look()
    assert (weight(canary), canary.told()) == (5, ["rollout_undriven"])  # the grace time begins now


def test_a_driver_that_comes_back_has_a_whole_grace_time_again(canary: Place) -> None:
    failed(canary)
    canary.look()
    canary.airflow.runs[ROLLOUT, "r1"] = RunState.RUNNING  # its tasks were cleared
    canary.later(minutes=10)
    canary.look()
    assert canary.told() == ["rollout_undriven", "rollout_driven"]
    failed(canary)
    canary.look()
    canary.later(minutes=4)
    canary.look()
    assert weight(canary) == 5
    canary.later(minutes=2)
    canary.look()
    assert weight(canary) == 0


def test_a_driver_that_starts_after_the_look_is_not_overtaken(canary: Place) -> None:
    failed(canary)
    canary.look()
    canary.later(minutes=6)
    (finding,) = canary.look(dry_run=True).found
    canary.control.take(f"rollout/{MODEL}", "a task that was cleared")
    assert not finding.act()
    assert weight(canary) == 5


@pytest.mark.parametrize("act", [pause, abort])
def test_a_persons_action_after_the_check_comes_first(canary: Place, act: Callable[..., object]) -> None:
    failed(canary)
    canary.look()
    canary.later(minutes=6)
    (finding,) = canary.look(dry_run=True).found
    act(canary.control, MODEL, actor="ada", reason="mine")
    assert not finding.act()
    assert "reconcile.take_back" not in canary.audited()


def test_any_of_its_runs_may_drive_it(canary: Place) -> None:
    """A person triggered the DAG again for the same version: that run goes on, whatever becomes of the first."""
    open_rollout(canary.control, SPEC, 2, request=f"{ROLLOUT}/manual__2/open/-1", actor="t", epoch=99)
    failed(canary)
    canary.running(ROLLOUT, "manual__2", canary_5="running")
    assert canary.look().found == []


AUTHORS = "weekly"  # a DAG of an author's own, with tasks of its own names


@pytest.fixture
def composed(canary: Place) -> Place:
    """An author's DAG drives the rollout, too; the model's own is paused, or its run is over."""
    request = f"{AUTHORS}/manual__3/release.open/-1"
    open_rollout(canary.control, SPEC, 2, request=request, actor="t", epoch=99)
    canary.running(AUTHORS, "manual__3", **{"release.canary_5": "deferred"})
    return canary


@pytest.mark.parametrize("paused", [True, None])
def test_an_authors_dag_drives_it_whatever_becomes_of_the_models_own(composed: Place, paused: bool | None) -> None:
    composed.airflow.dags[ROLLOUT] = paused
    assert composed.look().found == []
    failed(composed)
    assert composed.look().found == []


def test_one_that_an_authors_dag_left_is_not_given_to_a_paused_dag_where_it_would_wait_for_ever(composed: Place) -> None:
    composed.orphaned(orphaned="resume")
    failed(composed)
    composed.airflow.dags[ROLLOUT] = True
    composed.airflow.runs[AUTHORS, "manual__3"] = RunState.FAILED
    composed.airflow.states[AUTHORS, "manual__3"] = {"release.canary_5": "failed"}
    (finding,) = composed.look().found
    assert "its run manual__3 is over (failed)" in finding.summary
    composed.later(minutes=6)
    composed.look()
    assert (composed.airflow.made, weight(composed)) == ([], 0)


@pytest.mark.parametrize("request_", ["by hand", "", None])
def test_a_rollout_of_an_earlier_version_which_kept_no_run_counts_as_driven_while_its_dag_runs(
    canary: Place, request_: str | None
) -> None:
    evidence = {"stages": [stage.to_json() for stage in read_rollout(canary.control, _only(canary)).stages]}
    with canary.control.transaction() as connection:
        opened = rollout_events.update().where(rollout_events.c.event == "opened")
        connection.execute(opened.values(evidence={**evidence, **({} if request_ is None else {"request": request_})}))
    assert canary.look().found == []
    failed(canary)
    (finding,) = canary.look().found
    assert "its run is not known" in finding.summary


def gone(name: str) -> ModelSpec:
    raise SpecError(f"There is no model {name!r}.")


@pytest.mark.parametrize("world", [{"spec": gone}, {"models": ()}])
def test_a_model_that_cannot_be_loaded_has_no_dag_whatever_airflow_lists(canary: Place, world: dict[str, Any]) -> None:
    """Its run stays `running`: Airflow looks at no run of a DAG that its file makes no longer. The default rules hold."""
    (finding,) = canary.look(**world).found
    assert "its model cannot be loaded" in finding.summary
    canary.later(minutes=6)
    canary.look(**world)
    assert weight(canary) == 0


@pytest.mark.parametrize("run_id", ["manual__2026-11-29T10:00:00.1+00:00_ab", "a/b", "x"])
def test_a_run_is_known_by_its_request(run_id: str) -> None:
    assert Driver.of(Driver("toy_rollout", run_id).request) == Driver("toy_rollout", run_id)


@pytest.mark.parametrize("request_", ["", "r", "a/b", "a/b/c", "a/b/c/d", "///-1"])
def test_a_request_that_no_task_made_names_no_run(request_: str) -> None:
    assert Driver.of(request_) is None


def test_one_grace_time_of_zero_acts_at_the_second_look(canary: Place) -> None:
    canary.orphaned(orphaned_after=dataclasses.replace(canary).now - canary.now)
    failed(canary)
    canary.look()
    assert weight(canary) == 5
    canary.later(seconds=1)
    canary.look()
    assert weight(canary) == 0


def _only(place: Place) -> str:
    found = [live.rollout.id for live in live_rollouts(place.control)]
    if found:
        return found[0]
    with place.control.transaction() as connection:
        return str(connection.execute(rollout_events.select()).mappings().all()[0]["rollout"])
