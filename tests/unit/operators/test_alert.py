"""Who is told: once an event, through the webhook of a connection, and never at the cost of the task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from include.core.errors import DataError, GateClosed
from include.services.services import Services
from operators import alert as module
from operators.alert import Alert, FailureNotifier, send_alert
from tests.support.markdown import anchors
from tests.support.operator_runs import MODEL, Run
from tests.support.webhook import Webhook

ROOT = Path(__file__).parents[3]
PLAYBOOK = "docs/monitoring/operating.md#drift-alarm"
ALERT = Alert("retrain/shop:w1", "retrain", "info", MODEL, "drift in two windows", PLAYBOOK, {"rows": 7})


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    made = Webhook()
    connection = {"conn_type": "http", "host": made.url, "extra": {"Authorization": "Bearer hush"}}
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_ALERTS", json.dumps(connection))
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    yield made
    made.stop()


def test_an_event_is_reported_once_with_the_connections_secrets(services: Services, webhook: Webhook) -> None:
    assert send_alert(ALERT, services.control)
    assert send_alert(ALERT, services.control)
    ((path, token, body),) = webhook.got
    assert (path, token) == ("/hooks/secret", "Bearer hush")
    assert body == {
        "key": "retrain/shop:w1", "event": "retrain", "severity": "info", "model": MODEL, "text": "drift in two windows",
        "playbook": PLAYBOOK, "detail": {"rows": 7},
    }  # fmt: skip


def test_killed_before_it_was_noted_down_it_is_reported_again_under_the_same_key(
    services: Services, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(services.control), "once", killed)
        with pytest.raises(KeyboardInterrupt):
            send_alert(ALERT, services.control)
    assert send_alert(ALERT, services.control)
    assert [body["key"] for _, _, body in webhook.got] == [ALERT.key, ALERT.key]


def test_a_webhook_that_refuses_is_tried_three_times_and_fails_nothing(services: Services, webhook: Webhook) -> None:
    webhook.status = 500
    assert not send_alert(ALERT, services.control)
    assert len(webhook.got) == 3
    webhook.status = 200
    assert send_alert(ALERT, services.control)  # the task was cleared: now it is told
    assert len(webhook.got) == 4


def test_without_a_connection_nobody_is_reported(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(conn_id: str) -> None:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(module.BaseHook, "get_connection", unknown)
    assert not send_alert(ALERT, services.control)
    assert services.control.effect(f"told/{ALERT.key}") is None


def failure(run: Run, error: Exception) -> None:
    FailureNotifier(MODEL)({**run.context("validate"), "exception": error})


def test_a_task_that_failed_for_good_is_reported_with_its_error(services: Services, webhook: Webhook) -> None:
    error = DataError("The partition has no rows.", hint="land it again.")
    failure(Run(), error)
    failure(Run(), error)
    ((_, _, body),) = webhook.got
    assert body["text"] == "shop_dag.validate failed: The partition has no rows. Next: land it again."
    assert (body["severity"], body["detail"]["run_id"]) == ("ticket", "manual__1")
    assert "interval_start" not in body["detail"]
    failure(Run(run_id="manual__2", interval=(date(2013, 1, 1), date(2013, 1, 2))), error)
    assert webhook.got[1][2]["detail"]["interval_start"] == "2013-01-01T00:00:00+00:00"
    assert len(webhook.got) == 2


def test_backfills_and_closed_gates_tell_nobody(services: Services, webhook: Webhook) -> None:
    failure(Run(run_type="backfill"), DataError("no rows"))
    failure(Run(), GateClosed("roll back"))
    assert webhook.got == []


@pytest.mark.parametrize("file", ["alert.py", "rollout.py"])
def test_every_playbook_exists(file: str) -> None:
    text = (ROOT / "operators" / file).read_text()
    pages = {"MONITORING": module.MONITORING, "ROLLOUT": module.ROLLOUT}
    named = {(page.rstrip("#"), piece.split('"')[0]) for name, page in pages.items() for piece in text.split(f'f"{{{name}}}')[1:]}
    assert named
    assert all(anchor in anchors(ROOT / page) for page, anchor in named)
