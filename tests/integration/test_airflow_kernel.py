"""The kernel under a real scheduler, dag processor and triggerer: cleared, marked, killed, backfilled.

What is killed here is there again before the next test looks. A fixture tells a story to its end, and each test looks at one
thing that must have come of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psutil
import pytest

from include.core.catalog import load_spec
from include.core.ports import JobStatus
from include.data.raw import RawPartitions
from tests.support.airflow_world import DAG_IDS, Run, World, wait_for
from tests.support.ends import is_gone
from tests.support.shared_airflow import TOKEN, SharedAirflow

pytestmark = pytest.mark.slow

WAITING = {"deferred": "deferred", "polling": "running"}  # a job's task, and the state it waits in


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(Path(__file__).parent / "airflow_dags" / "kernel.py", *DAG_IDS) as world:
        yield world


def start(world: World, **params: object) -> Run:
    """A run whose two jobs wait for their gate."""
    run = world.start("kernel", **params)
    for task_id, state in WAITING.items():
        run.wait_for_job(task_id, state)
    run.wait_for_trigger("deferred")
    return run


def finish(run: Run) -> None:
    run.open()
    for task_id in WAITING:
        run.wait(task_id, "success")


def assert_one_job(run: Run, task_id: str) -> None:
    """The step started once, was not stopped, and what it computed is what the task returned."""
    (name,) = run.marks(task_id)
    assert name.endswith("-g0-a1")
    assert run.job(task_id) is JobStatus.SUCCEEDED
    assert run.task(task_id)["state"] == "success"
    assert run.result(task_id).attempt == 1


@dataclass(frozen=True)
class Killed:
    """A run whose polling task lost a process, and when."""

    run: Run
    task: psutil.Process
    at: datetime

    def seconds(self) -> float:
        """From the kill until the task ran again."""
        return (datetime.fromisoformat(self.run.task("polling")["start_date"]) - self.at).total_seconds()


@pytest.fixture(scope="module", autouse=True)
def killed_worker(world: World) -> Killed:
    """Killed before the first test, looked at after most: Airflow takes its time to notice."""
    run = start(world)
    task = run.process("polling")
    task.parent().kill()
    return Killed(run, task, datetime.now(UTC))


# -- finishing, clearing, freshness ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cleared(world: World) -> Run:
    """Both tasks are cleared while their jobs run; the old tries' on_kill has been called before the jobs may end."""
    run = start(world)
    run.clear(*WAITING)
    for task_id, state in WAITING.items():
        run.wait(task_id, state, tries=2)
    run.wait_for_trigger("deferred", 2)
    run.wait_for_cancelled_trigger("deferred")
    finish(run)
    return run


@pytest.mark.parametrize("task_id", WAITING)
def test_a_task_cleared_while_its_job_runs_adopts_the_job(cleared: Run, task_id: str) -> None:
    assert cleared.task(task_id)["try_number"] == 2
    assert_one_job(cleared, task_id)


def test_in_process_and_reconciling_tasks_finish_at_once(cleared: Run) -> None:
    assert cleared.result("in_process").attempt == len(cleared.marks("in_process")) == 1
    shifted = cleared.xcom("reconcile")
    assert shifted == {"epoch": shifted["taken"], "happened": True, "taken": shifted["taken"]}


def test_a_finished_task_that_is_cleared_returns_the_result_it_has(cleared: Run) -> None:
    before = {task_id: (cleared.xcom(task_id), cleared.marks(task_id)) for task_id in (*WAITING, "in_process")}
    cleared.wait_until_over()
    cleared.clear(*before)
    for task_id, (value, marks) in before.items():
        tries = 2 if task_id == "in_process" else 3
        cleared.wait(task_id, "success", tries=tries)
        assert cleared.xcom(task_id) == value
        assert cleared.marks(task_id) == marks
        assert "Reused marked/" in cleared.log(task_id, tries)


def test_a_cleared_reconciliation_takes_a_new_epoch_and_has_its_effect_once(cleared: Run) -> None:
    taken = cleared.xcom("reconcile")["taken"]
    cleared.wait_until_over()
    cleared.clear("reconcile")
    cleared.wait("reconcile", "success", tries=2)
    again = cleared.xcom("reconcile")
    assert again["taken"] > taken
    assert (again["epoch"], again["happened"]) == (taken, False)
    assert cleared.marks("reconcile") == [str(taken)]


def test_fresh_computes_once_for_its_run_however_often_the_task_is_cleared(world: World, cleared: Run) -> None:
    again = world.start("kernel", name=cleared.name, fresh=True)
    again.wait("deferred", "success")
    again.wait_until_over()
    again.clear("deferred")
    again.wait("deferred", "success", tries=2)
    old, new = again.marks("deferred")
    assert (old[-6:], new[-6:]) == ("-g0-a1", "-g1-a1")
    assert again.result("deferred").generation == 1
    assert cleared.result("deferred").generation == 0  # what the first run returned is still there


# -- marking ---------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_marked_task_leaves_its_job_alone_and_a_later_clear_adopts_it(world: World, state: str) -> None:
    run = start(world)
    polling = run.process("polling")
    for task_id in WAITING:
        run.declare(task_id, state)
    run.wait_for_cancelled_trigger("deferred")
    wait_for(lambda: is_gone(polling), "the polling task's process is killed")
    assert {run.task(task_id)["state"] for task_id in WAITING} == {state}
    assert {run.job(task_id) for task_id in WAITING} == {JobStatus.RUNNING}
    run.clear(*WAITING)
    for task_id, waiting in WAITING.items():
        run.wait(task_id, waiting, tries=2)
    run.wait_for_trigger("deferred", 2)
    finish(run)
    for task_id in WAITING:
        assert_one_job(run, task_id)


# -- errors and questions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def erring(world: World) -> Run:
    run = world.start("kernel_errors")
    for task_id in ("refuse", "stumble", "ask"):
        run.wait(task_id, "deferred")
        run.wait_for_trigger(task_id)
    run.open()
    return run


def test_a_permanent_error_of_a_job_fails_its_task_at_once_in_its_own_words(erring: Run) -> None:
    assert erring.wait("refuse", "failed")["try_number"] == 1
    assert len(erring.marks("refuse")) == 1
    assert "Every label of the window is null." in erring.log("refuse", 1)


def test_a_transient_error_of_a_job_is_retried_in_a_second_attempt(erring: Run) -> None:
    erring.wait("stumble", "success", tries=2)  # or a third, which adopts the second's job: see Run.wait_for_trigger
    assert [mark[-6:] for mark in erring.marks("stumble")] == ["-g0-a1", "-g0-a2"]
    assert erring.result("stumble").attempt == 2
    assert "The feature store at 127.0.0.1:1 does not answer." in erring.log("stumble", 1)


def test_a_question_is_answered_in_the_triggerer(erring: Run) -> None:
    erring.wait("ask", "success")
    assert erring.xcom("ask") == {"name": f"{erring.name}.open"}


# -- backfill --------------------------------------------------------------------------------------------


def test_a_backfill_sends_no_event_unless_its_conf_says_deploy(world: World) -> None:
    sent = {"kernel_events": 0, "kernel_deploys": 1}
    span = {"from_date": "2020-03-01T00:00:00Z", "to_date": "2020-03-01T00:00:00Z"}
    for dag_id in sent:
        world.airflow.post("/backfills", {"dag_id": dag_id, **span, "dag_run_conf": {"deploy": dag_id == "kernel_deploys"}})
    for dag_id, events in sent.items():
        backfill = wait_for(lambda dag_id=dag_id: finished_backfill(world, dag_id), f"the backfill run of {dag_id} ends", 120)
        listed = world.airflow.get(f"/assets/events?source_dag_id={dag_id}")["asset_events"]
        assert sum(event["source_run_id"] == backfill for event in listed) == events


def finished_backfill(world: World, dag_id: str) -> str:
    """The id of the DAG's backfill run, once it is over; else empty."""
    runs = world.airflow.runs(dag_id)
    return next((run["dag_run_id"] for run in runs if (run["run_type"], run["state"]) == ("backfill", "success")), "")


# -- kills -----------------------------------------------------------------------------------------------


def test_the_retry_of_a_killed_task_process_adopts_the_job(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run = start(world)
    killed = Killed(run, run.process("polling"), datetime.now(UTC))
    killed.task.kill()
    run.wait("polling", "running", tries=2)
    tell(capsys, f"a killed task process: its task ran again after {killed.seconds():.1f} s")
    finish(run)
    assert_one_job(run, "polling")


def test_the_retry_after_a_killed_worker_adopts_the_job(killed_worker: Killed, capsys: pytest.CaptureFixture[str]) -> None:
    run = killed_worker.run
    run.wait("polling", "running", tries=2)
    tell(capsys, f"a killed worker: its task ran again after {killed_worker.seconds():.1f} s")
    finish(run)
    assert_one_job(run, "polling")
    assert_one_job(run, "deferred")
    wait_for(lambda: is_gone(killed_worker.task), "the process that lost its worker ends by itself")


def test_a_killed_triggerer_is_replaced_and_its_tasks_find_their_jobs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run, began = start(world), datetime.now(UTC)
    world.kill("triggerer")
    finish(run)
    tell(capsys, f"a killed triggerer: the task it waited for was done after {(datetime.now(UTC) - began).total_seconds():.1f} s")
    assert_one_job(run, "deferred")
    assert run.task("deferred")["try_number"] == 1


@pytest.mark.whole
def test_a_killed_scheduler_is_replaced_and_no_task_is_lost(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run, began = start(world), datetime.now(UTC)
    killed = world.pid("scheduler")
    world.kill("scheduler")
    wait_for(lambda: world.pid("scheduler") not in (0, killed), "the supervisor starts another scheduler")
    finish(run)
    tell(capsys, f"a killed scheduler: both tasks were done after {(datetime.now(UTC) - began).total_seconds():.1f} s")
    for task_id in WAITING:
        assert_one_job(run, task_id)


def test_a_landed_day_starts_a_run_about_it_and_who_must_know_of_a_failure_is_reported(
    world: World, shared_airflow: SharedAirflow
) -> None:
    day, storage = date(2013, 1, 5), world.settings.storage()
    raw, spec = RawPartitions(storage, "flight_delay"), load_spec("flight_delay")
    landed = [raw.path(source, day) for source in spec.data.sources]
    for path in landed:
        storage.write(path, b"landed")
    found = wait_for(lambda: world.airflow.runs("kernel_watching"), "the landed day starts a run")
    run = Run(world, "kernel_watching", found[0]["dag_run_id"], "")
    run.wait("day", "success")
    assert run.xcom("day") == "2013-01-05"
    run.wait("fails", "failed")
    ((_, token, body),) = wait_for(lambda: shared_airflow.webhook.got, "the webhook is told")
    assert (token, body["event"], body["detail"]["task_id"]) == (TOKEN, "task_failed", "fails")
    assert body["text"] == "kernel_watching.fails failed: Nobody wants 2013-01-05."
    assert len(world.airflow.runs("kernel_watching")) == 1
    for path in landed:  # nobody publishes it: a reconciler on these stores would say so
        storage.delete(path)


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n  {text}")
