"""Every candidate has its turn, or a reason why not. Whatever became of its event."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from include.core.control import audit, rollouts
from include.core.spec import Rollout
from include.experiments.look import look_at
from include.experiments.machine import conclude, record_look
from include.rollout.pause import abort
from include.rollout.waiting import supersede
from include.routing.route import Route, set_route
from include.versions.lifecycle import set_production
from tests.support.experiment_log import TRIAL, Behaviour, lived
from tests.support.fake_airflow import RunState
from tests.unit.reconcile.conftest import MODEL, ROLLOUT, SPEC, Place


def reasons(place: Place) -> dict[int, str]:
    with place.control.transaction() as connection:
        rows = connection.execute(sa.select(audit.c.detail).where(audit.c.action == "candidate.superseded"))
        return {row.detail["version"]: row.detail["reason"] for row in rows}


def promoted(place: Place, version: int) -> None:
    """By whatever hand; what was to follow it did not."""
    with place.control.transaction() as connection:
        connection.execute(rollouts.update().values(live=None, state="promoted"))
        set_production(connection, MODEL, version)
        set_route(connection, MODEL, Route(champion=version))


def over(place: Place, run_id: str) -> None:
    place.airflow.runs[ROLLOUT, run_id] = RunState.SUCCESS


def test_three_candidates_that_came_during_a_rollout_each_have_a_turn_or_a_reason(place: Place) -> None:
    place.champion(1)
    place.version(2)
    place.canary(2)
    for number in (3, 4, 5):
        place.version(number)
    assert place.look().found == []  # they wait for the end of the rollout
    abort(place.control, MODEL, actor="ada", reason="over")
    over(place, "r1")
    place.look()
    ((dag_id, run_id, conf),) = place.airflow.made
    assert (dag_id, run_id, conf) == (ROLLOUT, "reconciled__version-5", {"version": 5})
    place.look()
    assert len(place.airflow.made) == 1
    place.canary(5, f"{ROLLOUT}/{run_id}/open/-1")
    assert place.look().found == []
    promoted(place, 5)
    place.look()
    assert place.stages() == {1: "Archived", 2: "Archived", 3: "Archived", 4: "Archived", 5: "Production"}
    assert reasons(place) == dict.fromkeys((3, 4), "version 5 came into production before it had its turn")
    assert place.told() == ["candidate_turn", "candidate_superseded"]


def test_where_the_newest_is_rolled_back_at_once_the_next_has_its_turn(place: Place) -> None:
    place.champion(1)
    place.version(2)
    place.version(3)
    place.airflow.dags[ROLLOUT] = False
    place.look()
    over(place, "reconciled__version-3")
    place.canary(3)
    abort(place.control, MODEL, actor="ada", reason="over")
    over(place, "r1")
    place.look()
    assert [conf["version"] for _, _, conf in place.airflow.made] == [3, 2]


def test_one_that_is_older_than_the_champion_is_superseded(place: Place) -> None:
    place.version(1)
    place.champion(2)
    (finding,) = place.look().found
    assert finding.kind == "candidate.superseded"
    assert (place.stages()[1], reasons(place)) == ("Archived", {1: "version 2 came into production before it had its turn"})
    assert place.look().found == []


def test_the_first_candidate_ever_has_its_turn(place: Place) -> None:
    place.version(1)
    place.airflow.dags[ROLLOUT] = False
    place.look()
    assert [conf for _, _, conf in place.airflow.made] == [{"version": 1}]


def test_a_fresh_one_is_left_to_its_own_event(place: Place) -> None:
    place.version(1, age=timedelta(minutes=1))
    place.airflow.dags[ROLLOUT] = False
    assert place.look().found == []
    place.later(minutes=5)
    assert len(place.look().changed) == 1


def test_while_a_run_is_queued_or_running_nobody_else_gets_a_turn(place: Place) -> None:
    place.version(1)
    place.running(ROLLOUT, "asset__1")
    assert place.look().found == []


def test_a_paused_dag_is_reported_once_and_its_candidates_keep_their_turn(place: Place) -> None:
    place.version(1)
    place.airflow.dags[ROLLOUT] = True
    for _ in range(3):
        (finding,) = place.look().found
        assert "is paused" in finding.summary
    assert (place.told(), place.stages()[1]) == (["candidate_waits"], "Candidate")
    place.airflow.dags[ROLLOUT] = False
    place.look()
    assert len(place.airflow.made) == 1


def test_a_turn_whose_run_opened_nothing_is_reported(place: Place) -> None:
    place.version(1)
    place.airflow.dags[ROLLOUT] = False
    place.look()
    over(place, "reconciled__version-1")
    (finding,) = place.look().found
    assert "opened no rollout" in finding.summary
    place.look()
    assert place.told() == ["candidate_turn", "candidate_waits"]


def test_a_turn_that_airflow_refuses_is_reported(place: Place) -> None:
    place.version(1)
    place.airflow.dags[ROLLOUT], place.airflow.broken = False, True
    place.look()
    place.look()
    assert place.told() == ["candidate_turn", "candidate_waits"]
    place.airflow.broken = False
    place.look()
    assert len(place.airflow.made) == 1


def test_one_that_a_person_offers_again_is_left_to_that_person(place: Place) -> None:
    """Restored: it had its rollout, or was superseded; an automatic turn would undo what a person is about to decide."""
    place.version(1)
    place.version(2)
    place.airflow.dags[ROLLOUT] = False
    place.canary(2)
    abort(place.control, MODEL, actor="ada", reason="over")
    over(place, "r1")
    place.champion(3)
    assert supersede(place.control, MODEL, "t") == [1]
    with place.control.transaction() as connection:
        connection.execute(sa.text("DELETE FROM slipstream_versions WHERE version = 3"))
    with place.control.transaction() as connection:
        connection.execute(sa.text("UPDATE slipstream_versions SET stage = 'Candidate'"))
    found = place.look().found
    assert [finding.summary.split(":")[0] for finding in found] == [
        f"version {number} had its turn before and is a candidate again" for number in (2, 1)
    ]
    assert (place.airflow.made, set(place.stages().values())) == ([], {"Candidate"})


def test_a_rollout_that_opens_after_the_look_keeps_its_version(place: Place) -> None:
    place.version(1)
    place.champion(2)
    (finding,) = place.look(dry_run=True).found
    place.control.take(f"rollout/{MODEL}", "a run that rolls version 1 out by hand")
    assert not finding.act()
    assert place.stages()[1] == "Candidate"


def test_while_an_experiment_runs_candidates_wait_and_then_the_one_that_it_found_better_has_its_turn(
    place: Place, tmp_path: Path
) -> None:
    place.champion(1)
    for number in (2, 3):
        place.version(number)
    place.spec = SPEC.model_copy(update={"rollout": Rollout(steps=(5, 100), experiment=TRIAL.name)})
    place.airflow.dags[ROLLOUT] = False
    assert place.look().found == []  # nothing was found better yet, and nobody is alerted of that
    record = lived(place.control, tmp_path, Behaviour(sale=(0.1, 0.5)))
    assert place.look().found == []
    seen = look_at(tmp_path, record, record.plan.look(7))
    epoch = place.control.take(record.resource, "t")
    record_look(place.control, record, seen.evidence, seen.decision.to_json(), epoch)
    conclude(place.control, record, actor="t", epoch=epoch)
    place.look()
    assert [conf for _, _, conf in place.airflow.made] == [{"version": 2}]  # 3 is newer, and nothing is known of it
