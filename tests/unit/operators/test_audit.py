"""The daily task: it verifies and seals, and calls somebody where the chain does not hold."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from include.core.control import audit
from include.core.errors import IntegrityError
from include.services.services import Services
from operators import audit as module
from operators.alert import Alert
from operators.audit import VerifyAuditOperator, audit_dag
from tests.support.operator_runs import Run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    sent: list[Alert] = []
    monkeypatch.setattr(module, "send_alert", lambda alert, control: sent.append(alert))
    return sent


def verify(run: Run | None = None) -> Any:
    return (run or Run())(VerifyAuditOperator(task_id="verify"))


def add(services: Services) -> None:
    with services.control.transaction() as connection:
        services.control.append_audit(connection, "ada", "did", "shop", {})


def test_it_seals_what_was_added_and_says_so(
    services: Services, told: list[Alert], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    add(services)
    assert verify()["seal"] == 1
    assert verify()["seal"] is None
    add(services)
    assert verify()["seal"] == 2
    assert "Seal 2 is of row 3." in caplog.text + capsys.readouterr().out
    assert told == []


def test_a_broken_chain_calls_somebody_and_fails_the_task(services: Services, told: list[Alert]) -> None:
    for _ in range(3):
        add(services)
    verify()
    with services.control.transaction() as connection:
        connection.execute(audit.delete().where(audit.c.seq > 1))
    with pytest.raises(IntegrityError, match="seal:1: the table ends at row 1"):
        verify()
    (alert,) = told
    assert (alert.event, alert.severity, "seal:1" in alert.text) == ("audit_broken", "page", True)


def test_it_anchors_the_newest_row_once_and_a_rewritten_chain_is_an_alarm(
    services: Services, told: list[Alert], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"file://{tmp_path / 'anchors'}"
    monkeypatch.setenv("SLIPSTREAM_AUDIT_ANCHOR", place)
    add(services)
    assert verify()["written"] == [place]
    assert (verify()["written"], verify()["anchored"]) == ([], 2)  # the row that names the seal
    with services.control.transaction() as connection:
        connection.execute(audit.update().where(audit.c.seq == 1).values(actor="eve"))
    with pytest.raises(IntegrityError, match="from row 1 on"):
        verify()
    (alert,) = told
    assert "from row 1 on" in alert.text
    assert alert.detail == {"first_bad_row": 1}


@pytest.mark.parametrize("place", ["file:///proc/nowhere/anchors", "ftp://x", "file:///proc/nowhere/anchors log:"])
def test_a_place_that_is_away_is_told_once_a_day_and_holds_up_nothing(
    services: Services, told: list[Alert], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("SLIPSTREAM_AUDIT_ANCHOR", place)
    add(services)
    answer = verify()
    assert (answer["seal"], answer["intact"]) == (1, True)
    assert answer["written"] == (["log:"] if "log:" in place else [])
    verify()
    assert [(alert.event, alert.severity) for alert in told] == [("audit_not_anchored", "ticket")] * 2
    assert len({alert.key for alert in told}) == 1, "send_alert sends each key once"


def test_the_dag_runs_daily_and_is_on_from_the_start() -> None:
    dag = audit_dag()
    assert (dag.dag_id, dag.task_ids, dag.is_paused_upon_creation) == ("slipstream_audit", ["verify"], False)
    assert dag.timetable.expression == "0 5 * * *"
