"""The reconciler as a DAG: one for the installation, whatever models there are.

A task may ask Airflow over its execution API, which needs no login and no database: states and counts of any DAG's runs and
tasks, whether a DAG is paused, and a new run under a name of ours. Counts take run ids as parameters, so that any id is safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, BaseNotifier, BaseOperator, Context, CronTriggerTimetable
from airflow.sdk.api.client import ServerResponseError
from airflow.sdk.exceptions import AirflowRuntimeError

from include.core.errors import NotReadyError, UnreachableError
from include.core.request import Json
from include.core.time import now
from include.reconcile.airflow import RunState
from include.services.services import Services
from operators.alert import Alert, send_alert
from operators.audit import anchor_audit
from operators.hooks import open_services
from operators.run import holder

DAG_ID = "slipstream_reconcile"
EVERY_MINUTES = 2
UNDER_WAY = ["running", "queued", "scheduled", "deferred", "up_for_retry", "up_for_reschedule", "restarting", "awaiting_input"]
REFUSED = (400, 404)  # what the API answers where a DAG is gone, or cannot be run
PLAYBOOK = "docs/operating.md#the-reconciler"
ApiError = AirflowRuntimeError | ServerResponseError  # the second where `airflow dags test` runs the task in its own process
API_ERRORS = (AirflowRuntimeError, ServerResponseError)


class TaskAirflow:
    """The port `include.reconcile.airflow.Airflow`, from within a running task."""

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def paused(self, dag_id: str) -> bool | None:
        try:
            return bool(self._ti.get_dag(dag_id).is_paused)
        except API_ERRORS as error:
            if _status(error) == 404:
                return None
            raise _unanswered(error) from error

    def run(self, dag_id: str, run_id: str) -> RunState:
        for state in (RunState.RUNNING, RunState.QUEUED, RunState.FAILED, RunState.SUCCESS):
            if self._count(dag_id, run_ids=[run_id], states=[str(state)]):
                return state
        return RunState.GONE

    def tasks(self, dag_id: str, run_id: str) -> Mapping[str, str]:
        try:
            states = self._ti.get_task_states(dag_id, run_ids=[run_id])
        except API_ERRORS as error:
            raise _unanswered(error) from error
        return {task: str(getattr(state, "value", state) or "") for task, state in (states.get(run_id) or {}).items()}

    def unfinished(self, dag_id: str) -> int:
        return self._count(dag_id, states=[str(RunState.QUEUED), str(RunState.RUNNING)])

    def waiting(self, dag_id: str, task_id: str) -> int:
        try:
            return int(self._ti.get_ti_count(dag_id, task_ids=[task_id], states=UNDER_WAY))
        except API_ERRORS as error:
            raise _unanswered(error) from error

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> bool:
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # set while a task runs

        try:
            answer = SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=dict(conf), note=PLAYBOOK))
        except API_ERRORS as error:
            if _status(error) in REFUSED:
                raise NotReadyError(
                    f"Airflow makes no run of {dag_id}: {_message(error)}.",
                    safe="nothing was changed.",
                    hint="airflow dags list-import-errors",
                ) from error
            raise _unanswered(error) from error
        return not isinstance(answer, ErrorResponse)  # a run of that name is there already

    def _count(self, dag_id: str, **asked: Any) -> int:
        try:
            return int(self._ti.get_dr_count(dag_id, **asked))
        except API_ERRORS as error:
            raise _unanswered(error) from error


def _status(error: ApiError) -> int:
    """HTTP status of the API's answer; 0 where there was none."""
    if isinstance(error, ServerResponseError):
        return error.response.status_code
    return int(_detail(error).get("status_code") or 0)


def _message(error: ApiError) -> str:
    """The innermost words of an answer that is nested: {"detail": {"detail": {"reason": ..., "message": ...}}}."""
    value: Any = error.detail if isinstance(error, ServerResponseError) else _detail(error)
    while isinstance(value, Mapping):
        value = value.get("detail") or value.get("message")
    return str(value or error)


def _detail(error: AirflowRuntimeError) -> Mapping[str, Any]:
    return getattr(error.error, "detail", None) or {}


def _unanswered(error: ApiError) -> UnreachableError:
    return UnreachableError(
        f"Airflow's execution API did not answer the reconciler: {_message(error)}.",
        safe="nothing was changed.",
        hint="see the API server's log; the next run looks again.",
    )


class ReconcileStoresOperator(BaseOperator):
    """Looks at the control store, the registry's versions and the ledger, asks Airflow, and mends what it can.

    Without a finding it writes nothing, but for the anchor of an audit row that has none. It succeeds when all was looked at,
    whatever was found; it fails when something could not be looked at, after it has done the rest.
    """

    def execute(self, context: Context) -> Json:
        from include.reconcile.run import reconcile, unsent

        services = open_services()
        world = make_world(services, context)
        report = reconcile(world)
        for finding in report.found:
            self.log.info("%s: %s. %s", finding.kind, finding.summary, finding.remedy)
        for name, error in report.unknown.items():
            self.log.warning("%s: not known. %s", name, error)
        for pending in unsent(world):
            if not send_alert(Alert(**vars(pending)), services.control):
                break  # nobody listens, or the webhook does not take it: the next run tries again
        self._show(services)
        anchor_audit(services, self.log.info, self.log.error)
        self.log.info("%d found, %d changed, %d unknown", len(report.found), len(report.changed), len(report.unknown))
        if report.failure is not None:
            raise report.failure
        return report.to_json()

    def _show(self, services: Services) -> None:
        """The registry's aliases follow stages, whoever changed them. The gateway follows by itself."""
        from include.governance.mirror import catch_up

        for model, problem in catch_up(services.control, services.labels).items():
            if problem:
                self.log.warning("The registry's aliases of %s are behind: %s", model, problem)
            else:
                self.log.info("The registry shows the stages of %s again.", model)


def make_world(services: Services, context: Context) -> Any:
    from include.core.catalog import model_names
    from include.reconcile.world import World

    return World(
        services.settings, services.control, services.ledger, TaskAirflow(context["ti"]), services.jobs, services.spec,
        tuple(model_names(services.settings.models)), now(), f"reconciler {holder(context)}"[:255], services.elsewhere,
        services.owner, tuple(services.feature_set_names()),
    )  # fmt: skip


class ReconcilerFailed(BaseNotifier):
    """Sent once a day, not every few minutes."""

    def notify(self, context: Context) -> None:
        error = context.get("exception")
        text = f"The reconciler could not look at everything: {error or 'its task failed'}"
        alert = Alert(f"reconciler_failed/{now():%Y-%m-%d}", "reconciler_failed", "ticket", "", text, PLAYBOOK)
        send_alert(alert, open_services().control)


def reconcile_dag() -> DAG:
    """Every two minutes, one run at a time, on from the start: a safety net that waits to be unpaused is none."""
    with DAG(
        dag_id=DAG_ID,
        schedule=CronTriggerTimetable(f"*/{EVERY_MINUTES} * * * *", timezone="UTC"),
        start_date=datetime(2024, 1, 1, tzinfo=pendulum.timezone("UTC")),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        dagrun_timeout=timedelta(minutes=10),
        tags=["slipstream", "reconcile"],
        description="Makes good what a lost event, a deleted run or a paused DAG left undone",
        doc_md=_DOC,
        default_args={"owner": "slipstream", "retries": 0, "on_failure_callback": ReconcilerFailed()},
        auto_register=False,
    ) as dag:
        ReconcileStoresOperator(task_id="reconcile")
    return dag


_DOC = """### The reconciler
Every two minutes it reads the control store and the ledger, asks Airflow, and compares: what should be under way, and is it?

| it finds | it does |
|---|---|
| a live rollout that no run drives (its run failed, was marked or deleted; its DAG is paused) | alerts; after 5 minutes the \
traffic goes back, or a new run takes it over (the spec's `rollout.orphaned_after`, `rollout.orphaned`) |
| a candidate without a turn | makes its run, newest first; one that is older than the champion is marked superseded |
| a decision to retrain that no training run took | makes that run |
| a day that landed and is unpublished | makes its run where the spec has `triggers.landing`, else sends an alert |
| a job that nobody waits for | sends an alert with the command that stops it |
| what crashed gateways left on this machine | clears it away |
| an audit row that came since the newest anchor | anchors it, where `SLIPSTREAM_AUDIT_ANCHOR` says |

Each finding is acted on once, with a row in the audit chain and an alert, and a second run at the same moment changes nothing.
The log of `reconcile` lists what was found; `slipstream reconcile --dry-run` does the same on the command line. **Pause this
DAG to switch it off**; a rollout that should stay as it is, with nobody driving it, is held by `slipstream rollout pause MODEL`.
"""
