"""Runs that a person asks for in the console: theirs by name, with the reason, once a click; and what Airflow does not take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import DagRunAlreadyExists

from include.core.control import ControlStore
from include.core.errors import ConflictError, DataError
from include.governance.audit import history
from plugins import slipstream_runs as runs
from tests.support.console_site import Site
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, SPEC

TOKEN = "0123456789abcdef"
ADA: Any = SimpleNamespace(get_name=lambda: "ada")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[dict[str, Any]]:
    """What Airflow was asked to run."""
    calls: list[dict[str, Any]] = []

    def trigger(dag: str, **given: Any) -> None:
        if any(call["run_id"] == given["run_id"] for call in calls):
            raise DagRunAlreadyExists(SimpleNamespace(dag_id=dag, run_id=given["run_id"], logical_date=None))
        calls.append({"dag": dag, **given})

    known = SimpleNamespace(is_stale=False, has_import_errors=False, is_paused=True)
    control = empty_control(tmp_path)
    monkeypatch.setattr(runs, "trigger_dag", trigger)
    monkeypatch.setattr(runs, "DagModel", SimpleNamespace(get_dagmodel=lambda dag: None if dag.startswith("gone") else known))
    monkeypatch.setattr(runs, "services", lambda: SimpleNamespace(control=control, owner=lambda model: SPEC))
    return calls


def store() -> ControlStore:
    found: ControlStore = runs.services().control
    return found


def test_a_training_is_airflow_s_run_in_the_person_s_name_with_its_reason(asked: list[dict[str, Any]]) -> None:
    body = runs.Training(reason="new labels came", token=TOKEN, as_of="2013-04-01")
    done = runs.train(MODEL, body, ADA)
    assert done == {"dag": f"{MODEL}_training", "run": f"manual__console_{TOKEN}", "paused": True}
    (call,) = asked
    assert (call["triggering_user_name"], call["note"]) == ("ada", "new labels came")
    assert call["conf"] == {"as_of": "2013-04-01T00:00:00"}
    (row,) = history(store(), MODEL, limit=5)
    assert (row.actor, row.action, row.detail["reason"]) == ("ada (Airflow)", "run.training", "new labels came")


def test_a_click_that_is_sent_twice_makes_one_run(asked: list[dict[str, Any]]) -> None:
    body = runs.Training(reason="because", token=TOKEN)
    assert runs.train(MODEL, body, ADA) == runs.train(MODEL, body, ADA)
    assert len(asked) == 1
    assert asked[0]["conf"] == {}


def test_a_range_is_named_by_the_model_s_partitions(asked: list[dict[str, Any]]) -> None:
    runs.backfill(MODEL, runs.Range(reason="late files", token=TOKEN, first="2013-01-02", last="2013-01-09"), ADA)
    assert asked[0]["dag"] == f"{MODEL}_features_range"
    assert asked[0]["conf"] == {"from": "2013-01-02", "to": "2013-01-09"}
    with pytest.raises(ValueError, match="after the last"):
        runs.Range(reason="late files", token=TOKEN, first="2013-01-09", last="2013-01-02")
    with pytest.raises(DataError):
        runs.backfill(MODEL, runs.Range(reason="late files", token=TOKEN[::-1], first="2013-01-40", last="2013-02-50"), ADA)
    assert len(asked) == 1


def test_only_a_version_that_is_registered_is_rolled_out(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match="no version 7"):
        runs.roll_out(MODEL, runs.Offer(reason="its turn", token=TOKEN, version=7), ADA)
    assert asked == []


def test_a_dag_that_airflow_does_not_know_starts_nothing(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="knows no DAG gone_training"):
        runs.train("gone", runs.Training(reason="because", token=TOKEN), ADA)
    broken = SimpleNamespace(is_stale=False, has_import_errors=True, is_paused=False)
    monkeypatch.setattr(runs, "DagModel", SimpleNamespace(get_dagmodel=lambda dag: broken))
    with pytest.raises(ConflictError, match="import errors"):
        runs.train(MODEL, runs.Training(reason="because", token=TOKEN), ADA)
    assert (asked, history(store(), MODEL, limit=5)) == ([], [])


def test_what_the_dag_does_not_take_is_said(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(dag: str, **given: Any) -> None:
        raise ValueError("Invalid input for param as_of")

    monkeypatch.setattr(runs, "trigger_dag", refuses)
    with pytest.raises(ConflictError, match="Invalid input for param as_of"):
        runs.train(MODEL, runs.Training(reason="because", token=TOKEN), ADA)


def test_a_real_airflow_says_that_it_has_no_such_dag(site: Site) -> None:
    with site.client("op") as op:
        answer = op.post(f"/api/models/{MODEL}/train", json={"reason": "because", "token": TOKEN})
    assert (answer.status_code, answer.json()["error"]) == (404, f"Airflow knows no DAG {MODEL}_training.")
