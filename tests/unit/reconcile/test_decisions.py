"""A decision to retrain leads to one training run, whatever became of its event; a backfill's leads to none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from include.monitoring.retraining.retrainings import named
from tests.support.fake_airflow import RunState
from tests.unit.reconcile.conftest import MODEL, TRAINING, Place


@pytest.fixture
def lost(place: Place) -> Place:
    """A decision of an hour ago that no run took."""
    place.airflow.dags[TRAINING] = False
    place.decided(quiet=False)
    return place


def consumed(place: Place, key: str, run: str) -> None:
    place.control.once(f"consumed/{key}", f"training/{MODEL}", 0, lambda _: {"run": run})


def test_a_decision_whose_event_got_lost_is_sent_again_once(lost: Place) -> None:
    lost.look()
    ((dag_id, run_id, conf),) = lost.airflow.made
    assert (dag_id, run_id.startswith("reconciled__decision-")) == (TRAINING, True)
    assert conf == {"as_of": "2026-01-08T00:00:00", "decision": f"{MODEL}:2026-01-01/2026-01-08", "words": "drift"}
    lost.look()
    assert (len(lost.airflow.made), lost.told()) == (1, ["decision_sent_again"])


def test_one_that_was_taken_is_left_alone(lost: Place) -> None:
    consumed(lost, f"{MODEL}:2026-01-01/2026-01-08", "asset__1")
    lost.running(TRAINING, "asset__1")
    assert lost.look().found == []
    lost.airflow.runs[TRAINING, "asset__1"] = RunState.FAILED  # whoever failed it knows; a clear goes on
    assert lost.look().found == []


def test_a_run_that_took_it_and_was_deleted_is_reported(lost: Place) -> None:
    consumed(lost, f"{MODEL}:2026-01-01/2026-01-08", "asset__1")
    (finding,) = lost.look().found
    assert "asset__1 that took it was deleted" in finding.summary
    lost.look()
    assert (lost.told(), lost.airflow.made) == (["decision_waits"], [])


def test_a_run_of_an_authors_dag_that_took_it_is_looked_for_in_that_dag(lost: Place) -> None:
    consumed(lost, f"{MODEL}:2026-01-01/2026-01-08", named("weekly", "manual__1", MODEL))
    lost.running("weekly", "manual__1")
    assert lost.look().found == []
    del lost.airflow.runs["weekly", "manual__1"]
    (finding,) = lost.look().found
    assert "the run weekly/manual__1 that took it was deleted" in finding.summary


def test_a_version_trained_since_has_answered_it(lost: Place) -> None:
    lost.version(1, "Staging", as_of="2026-01-08T00:00:00", run_type="scheduled")
    assert lost.look().found == []


@pytest.mark.parametrize(
    "record",
    [{"as_of": "2026-01-07T00:00:00", "run_type": "manual"}, {"as_of": "2026-02-01T00:00:00", "run_type": "backfill"}, {}],
)
def test_an_older_version_or_a_backfills_has_not(lost: Place, record: dict[str, str]) -> None:
    lost.version(1, "Archived", **record)
    assert len(lost.look().changed) == 1


def test_a_backfills_decision_starts_nothing_unless_a_run_asked_for_it_since(place: Place) -> None:
    place.airflow.dags[TRAINING] = False
    key = place.decided(quiet=True)
    assert place.look().found == []
    place.control.once(f"asked/{key}", f"decision/{MODEL}", 0, lambda _: {})
    place.look()
    assert len(place.airflow.made) == 1


def test_one_of_an_earlier_version_is_reported_since_a_backfill_may_have_made_it(place: Place) -> None:
    place.airflow.dags[TRAINING] = False
    place.decided(key="as it was kept before")
    (finding,) = place.look().found
    assert "was not written down" in finding.summary
    assert (place.airflow.made, place.told()) == ([], ["decision_waits"])


def test_a_row_alone_counts_as_sent(place: Place) -> None:
    place.airflow.dags[TRAINING] = False
    place.decided()
    place.look()
    assert len(place.airflow.made) == 1


def test_only_the_newest_counts(lost: Place) -> None:
    lost.decided("2026-01-08/2026-01-15", quiet=False)
    lost.look()
    lost.airflow.runs = dict.fromkeys(lost.airflow.runs, RunState.SUCCESS)
    lost.version(1, "Staging", as_of="2026-01-15T00:00:00", run_type="manual")
    assert lost.look().found == []
    assert [conf["as_of"] for _, _, conf in lost.airflow.made] == ["2026-01-15T00:00:00"]


@pytest.mark.parametrize("age", [timedelta(minutes=5), timedelta(days=31)])
def test_a_fresh_one_waits_for_its_event_and_an_old_one_is_outdated(place: Place, age: timedelta) -> None:
    place.airflow.dags[TRAINING] = False
    place.decided(age=age, quiet=False)
    assert place.look().found == []


def test_while_the_training_dag_has_a_run_under_way_no_other_is_made(lost: Place) -> None:
    lost.running(TRAINING, "scheduled__1")
    assert lost.look().found == []


@pytest.mark.parametrize("paused", [True, None])
def test_a_dag_that_is_paused_or_gone_is_reported(lost: Place, paused: bool | None) -> None:
    lost.airflow.dags = {} if paused is None else {TRAINING: paused}
    lost.look()
    lost.look()
    assert (lost.told(), lost.airflow.made) == (["decision_waits"], [])


def test_a_run_of_ours_that_ended_before_it_was_planned_is_reported(lost: Place) -> None:
    lost.look()
    lost.airflow.runs = dict.fromkeys(lost.airflow.runs, RunState.FAILED)
    lost.look()
    lost.look()
    assert (lost.told(), len(lost.airflow.made)) == (["decision_sent_again", "decision_waits"], 1)


def test_a_run_that_airflow_refuses_is_reported(lost: Place) -> None:
    lost.airflow.broken = True
    lost.look()
    assert lost.told() == ["decision_sent_again", "decision_waits"]
