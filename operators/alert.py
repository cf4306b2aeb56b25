"""Alerts: one event is one message to the webhook of the Airflow connection `slipstream_alerts`.

The secrets are the connection's: its host may be the webhook's whole URL, its extra the headers. Nothing here fails a task.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseHook, BaseNotifier, Context
from airflow.sdk.exceptions import AirflowNotFoundException

from include.core.digest import digest_json
from include.core.errors import GateClosed, SlipstreamError, one_line
from operators.hooks import open_services
from operators.run import holder, is_backfill

if TYPE_CHECKING:
    from include.core.control import ControlStore

log = logging.getLogger(__name__)
CONNECTION = "slipstream_alerts"
LONGEST_TEXT = 4000  # characters of one value: an error may quote a whole row
_MARKUP = re.compile(r"<(?=[!@#/A-Za-z])")  # <!channel>, <@U1>, <https://elsewhere|the report>, HTML; "0.7 < 0.8" stays
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
ATTEMPTS, PAUSE_SECONDS, TIMEOUT_SECONDS = 3, 1.0, 5.0
MONITORING, ROLLOUT = "docs/monitoring/operating.md#", "docs/rollout.md#"


@dataclass(frozen=True)
class Alert:
    """`key` names the event: whoever gets it twice drops the second."""

    key: str
    event: str
    severity: Literal["page", "ticket", "info"]
    model: str
    text: str
    playbook: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def send_alert(alert: Alert, control: ControlStore) -> bool:
    """Send it, once ever: what was sent is a row of the control store. Killed between the two, it is sent again.

    False, and the reason in the log, where there is no connection or the webhook does not take it.
    """
    known = _was_sent(control, alert.key)
    if known:
        return True
    if not _send(alert):
        return False
    try:
        control.once(f"told/{alert.key}", "alerts", 0, lambda _: {"event": alert.event})
    except SlipstreamError as error:
        log.warning("Sent, and not recorded: it may be sent again. %s", one_line(error))
    return True


def _was_sent(control: ControlStore, key: str) -> bool:
    try:
        return control.effect(f"told/{key}") is not None
    except SlipstreamError:  # rather twice than never
        return False


def _send(alert: Alert) -> bool:
    try:
        BaseHook.get_connection(CONNECTION)
    except AirflowNotFoundException:
        log.info("No alert is sent (%s): there is no connection %s.", alert.event, CONNECTION)
        return False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _post(harmless(asdict(alert)))
            return True
        except Exception as error:  # noqa: BLE001 - whatever a webhook does, the task's own work is not at fault
            log.error(
                "The webhook of %s did not take %r (%d of %d): %s", CONNECTION, alert.text, attempt, ATTEMPTS, one_line(error)
            )
            if attempt < ATTEMPTS:
                time.sleep(PAUSE_SECONDS)
    return False


def harmless(value: Any) -> Any:
    """A message without what a chat takes for a link, a mention of everybody, or a sign to its terminal: names come from data."""
    if isinstance(value, Mapping):
        return {str(harmless(str(name))): harmless(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(item) for item in value]
    if not isinstance(value, str):
        return value
    return _CONTROL.sub(" ", _MARKUP.sub("‹", value))[:LONGEST_TEXT]


def _post(body: dict[str, Any]) -> None:
    from airflow.providers.http.hooks.http import HttpHook  # requests and aiohttp: not while DAG files are parsed

    HttpHook(method="POST", http_conn_id=CONNECTION).run(json=body, extra_options={"timeout": TIMEOUT_SECONDS})


class FailureNotifier(BaseNotifier):
    """For `on_failure_callback`: a task has failed for good. A backfill sends nothing; a closed gate is another event."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def notify(self, context: Context) -> None:
        error = context.get("exception")
        if is_backfill(context) or isinstance(error, GateClosed):
            return
        ti = context["ti"]
        text = (
            f"{ti.dag_id}.{ti.task_id} failed: {one_line(error) or type(error).__name__}"
            if error
            else f"{ti.dag_id}.{ti.task_id} failed"
        )
        detail = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "try_number": ti.try_number}
        if isinstance(start := context.get("data_interval_start"), datetime):  # the run's id carries the interval's end
            detail["interval_start"] = start.isoformat()
        key = f"failed/{digest_json(holder(context))[:32]}"
        alert = Alert(key, "task_failed", "ticket", self.model, text, f"{MONITORING}a-task-failed", detail)
        send_alert(alert, open_services().control)
