"""The reconciler's task: what it asks Airflow and how it takes the answers; alerts that are told; and the tasks it works with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from airflow.sdk.api.client import ServerResponseError
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse, OKResponse, TriggerDagRun

from include.backends.folder.registry import FolderRegistry
from include.core.control import effects, versions
from include.core.errors import NotReadyError, UnreachableError
from include.governance.mirror import behind
from include.governance.registry import register, resource
from include.monitoring.retraining.decision import QUIET
from include.reconcile.airflow import RunState
from include.rollout.driver import live_rollouts
from include.rollout.machine import open_rollout
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from include.versions.lifecycle import set_production
from operators import alert as alerts
from operators.reconcile import DAG_ID, ReconcilerFailed, ReconcileStoresOperator, TaskAirflow, reconcile_dag
from operators.rollout import OpenRolloutOperator
from operators.training import PlanTrainingOperator
from tests.support.operator_runs import MODEL, Life, Run
from tests.support.toy_ledger import MODEL as TOY
from tests.support.toy_ledger import Loop
from tests.support.versions import add_candidates
from tests.support.webhook import Webhook


def refused(status: int, message: str = "no") -> AirflowRuntimeError:
    return AirflowRuntimeError(
        ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": status, "message": message})
    )


def refused_in_process(status: int, message: str = "no") -> ServerResponseError:
    """As `airflow dags test` has it."""
    request = httpx.Request("GET", "http://airflow/execution/")
    answer = httpx.Response(status, json={"detail": {"reason": "x", "message": message}}, request=request)
    made = ServerResponseError.from_response(answer)
    assert made is not None
    return made


REFUSALS = (refused, refused_in_process)


class Ti:
    """A running task's questions, and Airflow's answers."""

    def __init__(self) -> None:
        self.dags: dict[str, bool] = {}
        self.runs: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.refuse: Callable[..., Exception] = refused
        self.states: dict[str, Any] = {}

    def get_dag(self, dag_id: str) -> Any:
        self._fail()
        if dag_id not in self.dags:
            raise self.refuse(404)
        return SimpleNamespace(is_paused=self.dags[dag_id])

    def get_dr_count(self, dag_id: str, run_ids: list[str] | None = None, states: list[str] | None = None) -> int:
        self._fail()
        self.asked.append({"dag": dag_id, "runs": run_ids, "states": states})
        return sum(run in (run_ids or self.runs) and state in (states or [state]) for run, state in self.runs.items())

    def get_ti_count(self, dag_id: str, task_ids: list[str], states: list[str]) -> int:
        self._fail()
        return sum(state in states for state in self.states.values())

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        self._fail()
        return {run_ids[0]: self.states} if self.states else {}

    def _fail(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def ti() -> Ti:
    return Ti()


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.GONE])
@pytest.mark.parametrize("run_id", ["manual__2026-01-01T00:00:00+00:00_x", "odd/one", "with space?"])
def test_a_runs_state_is_asked_for_by_counts_so_that_any_id_is_safe(ti: Ti, state: RunState, run_id: str) -> None:
    ti.runs[run_id] = str(state)
    airflow = TaskAirflow(ti)
    assert airflow.run("d", run_id) is state
    assert airflow.run("d", "another") is RunState.GONE
    assert airflow.unfinished("d") == (not state.over)
    assert all(asked["states"] for asked in ti.asked)


@pytest.mark.parametrize("refuse", REFUSALS)
def test_whether_a_dag_is_paused_or_gone(ti: Ti, refuse: Callable[..., Exception]) -> None:
    ti.refuse = refuse
    ti.dags = {"on": False, "off": True}
    assert [TaskAirflow(ti).paused(name) for name in ("on", "off", "gone")] == [False, True, None]


def test_tasks_and_those_that_wait(ti: Ti) -> None:
    ti.states = {"train": "deferred", "plan": None, "gate": "success"}
    assert TaskAirflow(ti).tasks("d", "r") == {"train": "deferred", "plan": "", "gate": "success"}
    assert TaskAirflow(ti).waiting("d", "train") == 1
    ti.states = {}
    assert TaskAirflow(ti).tasks("d", "r") == {}


@pytest.mark.parametrize("refuse", REFUSALS)
@pytest.mark.parametrize("call", ["paused", "unfinished", "run", "tasks", "waiting"])
def test_an_api_that_fails_is_no_answer(ti: Ti, call: str, refuse: Callable[..., Exception]) -> None:
    ti.error = refuse(500, "the database is away")
    arguments = ("d",) if call in ("paused", "unfinished") else ("d", "r")
    with pytest.raises(UnreachableError, match="the database is away"):
        getattr(TaskAirflow(ti), call)(*arguments)


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What is sent to the task's supervisor; `answer` is given back or raised."""
    made = SimpleNamespace(sent=[], answer=OKResponse(ok=True))

    def send(message: Any) -> Any:
        made.sent.append(message)
        if isinstance(made.answer, Exception):
            raise made.answer
        return made.answer

    made.send = send
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", made, raising=False)
    return made


def test_a_run_is_made_under_its_name_once(ti: Ti, comms: SimpleNamespace) -> None:
    assert TaskAirflow(ti).trigger("d", "reconciled__1", {"version": 2})
    (sent,) = comms.sent
    assert isinstance(sent, TriggerDagRun)
    assert (sent.dag_id, sent.run_id, sent.conf, sent.reset_dag_run) == ("d", "reconciled__1", {"version": 2}, False)
    comms.answer = ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)
    assert not TaskAirflow(ti).trigger("d", "reconciled__1", {"version": 2})


@pytest.mark.parametrize("refuse", REFUSALS)
@pytest.mark.parametrize(("status", "error"), [(404, NotReadyError), (400, NotReadyError), (500, UnreachableError)])
def test_a_run_that_is_refused_says_why(
    ti: Ti, comms: SimpleNamespace, status: int, error: type[Exception], refuse: Callable[..., Exception]
) -> None:
    comms.answer = refuse(status, "it has import errors")
    with pytest.raises(error, match=r"(run of d|reconciler): it has import errors\."):
        TaskAirflow(ti).trigger("d", "r", {})


# -- the task ---------------------------------------------------------------------------------------------


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    made = Webhook()
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_ALERTS", json.dumps({"conn_type": "http", "host": made.url}))
    monkeypatch.setattr(alerts, "PAUSE_SECONDS", 0.0)
    yield made
    made.stop()


def look(ti: Ti) -> Any:
    context = Run().context("reconcile")
    for name in ("get_dag", "get_dr_count", "get_ti_count", "get_task_states"):
        setattr(context["ti"], name, getattr(ti, name))
    return ReconcileStoresOperator(task_id="reconcile").execute(context)  # type: ignore[arg-type]


def registered(services: Services, *numbers: int) -> None:
    with services.control.transaction() as connection:
        add_candidates(connection, MODEL, *numbers)


def undriven(services: Services) -> None:
    registered(services, 1, 2)
    with services.control.transaction() as connection:
        connection.execute(versions.update().where(versions.c.version == 1).values(stage="Production"))
        set_route(connection, MODEL, Route(champion=1))
    open_rollout(services.control, services.spec(MODEL), 2, request=f"{MODEL}_rollout/r1/open/-1", actor="t", epoch=1)


def test_the_task_tells_what_it_finds_once(life: Life, ti: Ti, webhook: Webhook) -> None:
    undriven(life.services)
    ti.dags[f"{MODEL}_rollout"] = False
    for _ in range(2):
        value = look(ti)
    assert [finding["kind"] for finding in value["found"]] == ["rollout.undriven"]
    assert json.loads(json.dumps(value)) == value  # it is an XCom
    ((_, _, body),) = webhook.got
    assert (body["event"], body["severity"], body["model"]) == ("rollout_undriven", "ticket", MODEL)
    assert "slipstream rollout pause" in body["text"]


def test_what_a_webhook_does_not_take_is_reported_by_the_next_run(life: Life, ti: Ti, webhook: Webhook) -> None:
    undriven(life.services)
    webhook.status = 500
    look(ti)
    before = len(webhook.got)
    webhook.status = 200
    look(ti)
    assert len(webhook.got) == before + 1


def test_the_task_fails_when_it_could_not_look_and_has_done_the_rest(life: Life, ti: Ti) -> None:
    undriven(life.services)
    ti.error = refused(503, "starting")
    with pytest.raises(UnreachableError, match="starting"):
        look(ti)


def test_it_shows_the_registry_what_a_killed_task_could_not(life: Life, ti: Ti, tmp_path: Path) -> None:
    control = life.services.control
    package = Loop.under(tmp_path / "toy").package(days=2)
    version = register(control, FolderRegistry(life.services.storage), package, control.take(resource(TOY), "t")).version
    with control.transaction() as connection:  # a task that was killed between this and the mirror
        set_production(connection, TOY, version)
    assert [each.model for each in behind(control)] == [TOY]
    assert look(ti)["found"] == []
    assert behind(control) == []
    assert life.services.labels().labels(TOY)["aliases"] == {"champion": version}


def test_a_failing_reconciler_is_reported_once_a_day(life: Life, webhook: Webhook) -> None:
    context = {**Run().context("reconcile"), "exception": UnreachableError("Airflow does not answer.")}
    for _ in range(3):
        ReconcilerFailed()(context)
    ((_, _, body),) = webhook.got
    assert (body["event"], "Airflow does not answer" in body["text"]) == ("reconciler_failed", True)


def test_its_dag_is_on_from_the_start_and_runs_one_at_a_time() -> None:
    dag = reconcile_dag()
    assert (dag.dag_id, dag.is_paused_upon_creation, dag.max_active_runs, dag.catchup) == (DAG_ID, False, 1, False)


# -- the tasks it works with ------------------------------------------------------------------------------


def opened(services: Services, run_id: str, context: dict[str, Any]) -> Any:
    made = {**Run(run_id=run_id).context("open"), **context}
    return OpenRolloutOperator(task_id="open", model=MODEL).execute(made)  # type: ignore[arg-type]


def test_a_rollout_keeps_every_run_that_drives_it(life: Life) -> None:
    registered(life.services, 2)
    opened(life.services, "manual__1", {"params": {"version": 2}})
    for _ in range(2):  # the second was retried
        opened(life.services, "reconciled__x", {"params": {"version": 2}})
    (live,) = live_rollouts(life.services.control)
    assert [driver.run_id for driver in live.drivers] == ["manual__1", "reconciled__x"]
    assert read_route(life.services.control, MODEL)[1] == Route()


def test_a_decision_that_comes_by_conf_is_trained_on_by_one_run(published: Life) -> None:
    conf = {"as_of": "2013-01-03T00:00:00", "decision": "shop:w", "words": "drift of price"}
    first = Run({"as_of": conf["as_of"]}, run_id="reconciled__1", run_type="operator_triggered", conf=conf)
    plan = first(PlanTrainingOperator(task_id="plan", model=MODEL))
    assert (plan["as_of"], plan["reason"]) == (conf["as_of"], "drift of price")
    assert first(PlanTrainingOperator(task_id="plan", model=MODEL), try_number=2) == plan
    with pytest.raises(AirflowSkipException, match="was trained on by the run shop_dag/reconciled__1"):
        Run(run_id="asset__2", event=conf)(PlanTrainingOperator(task_id="plan", model=MODEL))


def kept(services: Services, key: str) -> dict[str, Any]:
    with services.control.transaction() as connection:
        return dict(connection.execute(sa.select(effects.c.result).where(effects.c.key == key)).scalar_one())


def test_a_backfills_decision_is_kept_as_quiet_until_a_run_asks_for_it(published: Life) -> None:
    from include.monitoring.retraining.decision import asked_for, record_decision
    from include.monitoring.retraining.policy import Decision

    control = published.services.control
    decision = Decision("shop:w", MODEL, "2013-01-03T00:00:00", "retrain", ("drift",), (), "drift", {})
    made, new = record_decision(control, decision, 1, quiet=True)
    assert (made, new, kept(published.services, "decide/shop:w")[QUIET]) == (decision, True, True)
    asked_for(control, decision, 1)
    assert record_decision(control, decision, 1) == (decision, False)
    assert control.effect("asked/shop:w") == {}
    loud = Decision("shop:v", MODEL, "2013-01-03T00:00:00", "retrain", ("drift",), (), "drift", {})
    record_decision(control, loud, 1)
    asked_for(control, loud, 1)
    assert control.effect("asked/shop:v") is None
