"""Trainings and rollouts that a person starts in the console: theirs by name, with the reason, one run a click."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import DagNotFound, DagRunAlreadyExists

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError
from include.governance.audit import history
from plugins import slipstream_runs as runs
from plugins import slipstream_training as training
from tests.support.console_site import Site
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL

TOKEN = "0123456789abcdef"
ADA: Any = SimpleNamespace(get_name=lambda: "ada")


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, control: ControlStore) -> list[dict[str, Any]]:
    """What Airflow was asked to run."""
    calls: list[dict[str, Any]] = []

    def trigger(dag: str, **given: Any) -> None:
        if dag.startswith("gone"):
            raise DagNotFound(f"Dag id {dag} not found")
        if any(call["run_id"] == given["run_id"] for call in calls):
            raise DagRunAlreadyExists(SimpleNamespace(dag_id=dag, run_id=given["run_id"], logical_date=None))
        calls.append({"dag": dag, **given})

    monkeypatch.setattr("airflow.api.common.trigger_dag.trigger_dag", trigger)
    monkeypatch.setattr("airflow.models.dag.DagModel.get_dagmodel", lambda dag: SimpleNamespace(is_paused=True))
    held = SimpleNamespace(control=control)
    monkeypatch.setattr(runs, "services", lambda: held)
    monkeypatch.setattr(training, "services", lambda: held)
    return calls


def test_a_training_is_airflow_s_run_in_the_person_s_name_with_its_reason(
    asked: list[dict[str, Any]], control: ControlStore
) -> None:
    done = training.train(MODEL, training.Training(reason="new labels came", token=TOKEN, as_of="2013-04-01"), ADA)
    assert (done["dag"], done["run"], done["paused"]) == (f"{MODEL}_training", f"console__{TOKEN}", True)
    (call,) = asked
    assert (call["triggering_user_name"], call["note"]) == ("ada", "new labels came")
    assert call["conf"] == {"as_of": "2013-04-01T00:00:00"}
    (row,) = history(control, MODEL, limit=5)
    assert (row.actor, row.action, row.detail["reason"]) == ("ada (Airflow)", "training.start", "new labels came")


def test_a_click_that_is_sent_twice_makes_one_run(asked: list[dict[str, Any]]) -> None:
    body = training.Training(reason="because", token=TOKEN)
    assert training.train(MODEL, body, ADA) == training.train(MODEL, body, ADA)
    assert [call["conf"] for call in asked] == [{}]


def test_a_moment_that_is_none_and_a_version_that_is_none_start_nothing(
    asked: list[dict[str, Any]], control: ControlStore
) -> None:
    with pytest.raises(DataError):
        training.train(MODEL, training.Training(reason="because", token=TOKEN, as_of="soon"), ADA)
    with pytest.raises(ConflictError, match="has not come"):
        training.train(MODEL, training.Training(reason="because", token=TOKEN, as_of="2150-01-01"), ADA)
    with pytest.raises(DataError, match="no version 7"):
        training.roll_out(MODEL, training.Offer(reason="its turn", token=TOKEN, version=7), ADA)
    assert (asked, history(control, MODEL, limit=5)) == ([], [])


def test_what_airflow_refuses_stands_in_the_audit(asked: list[dict[str, Any]], control: ControlStore) -> None:
    with pytest.raises(DataError, match="did not start a run of gone_training"):
        training.train("gone", training.Training(reason="because", token=TOKEN), ADA)
    assert [row.action for row in history(control, "gone", limit=5)] == ["training.start.refused", "training.start"]


def test_a_real_airflow_says_that_it_has_no_such_dag(site: Site) -> None:
    with site.client("op") as op:
        answer = op.post(f"/api/models/{MODEL}/train", json={"reason": "because", "token": TOKEN})
    assert (answer.status_code, answer.json()["error"]) == (404, f"Airflow did not start a run of {MODEL}_training.")
