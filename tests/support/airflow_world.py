"""A real Airflow of its own for a test module, and what a test does to it: trigger, clear, mark, kill, look."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest

from include.backends.airflow.client import AirflowClient
from include.backends.process.jobs import ProcessJobs
from include.core.connection import parse
from include.core.digest import PROJECT
from include.core.ledger import Ledger
from include.core.ports import JobBackend, JobStatus
from include.core.request import Ref, Result
from include.core.settings import Settings
from include.local.connections import addresses, read_file
from include.local.down import down
from include.local.platform import Platform
from include.local.status import status
from include.local.up import up
from tests.support.airflow_home import fill, on_free_ports
from tests.support.airflow_steps import folder

AIRFLOW = ("scheduler", "api-server", "dag-processor", "triggerer")
ENVIRONMENT = {
    "SLIPSTREAM_DAGS": str(PROJECT / "tests" / "integration" / "airflow_dags"),
    "SLIPSTREAM_WARM": "0",
    "SLIPSTREAM_JOB_BACKEND": "process",
    "SLIPSTREAM_REGISTRY": "folder",
}
DAG_IDS = ("kernel", "kernel_errors", "kernel_events", "kernel_deploys", "kernel_watching")
PATIENCE = 180.0  # seconds; only a failing test waits so long
BETWEEN = 0.5  # seconds between two looks: each has Airflow's API server read its database, or a whole log
T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """What `look` returns once that is true; a test that waits in vain fails with what was seen last."""
    until = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:.0f} s: {what}; seen: {seen!r}")
        time.sleep(BETWEEN)
    return seen


class Airflow(AirflowClient):
    """The demo's client, and the calls with which a person interferes."""

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, body: Any) -> Any:
        return self._call("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self._call("PATCH", path, body)


@dataclass(frozen=True)
class World:
    """One platform, and one user of its REST API."""

    platform: Platform

    @cached_property
    def airflow(self) -> Airflow:
        return Airflow(parse(read_file(self.platform.home)["AIRFLOW_CONN_SLIPSTREAM_AIRFLOW"]))

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_env(addresses(self.platform))

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.storage())

    @cached_property
    def jobs(self) -> JobBackend:
        return ProcessJobs(self.platform.home / "jobs", {})

    def start(self, dag_id: str, **params: Any) -> Run:
        """A manual run under a name of its own: its requests are nobody else's."""
        name = params.pop("name", "") or f"n{uuid.uuid4().hex[:8]}"
        return Run(self, dag_id, self.airflow.trigger(dag_id, name=name, **params), name)

    def token(self, user: str) -> str:
        """Of one of the platform's users, as their browser would carry it."""
        password = json.loads((self.platform.airflow / "passwords.json").read_text())[user]
        body = {"username": user, "password": password}
        answer = httpx.post(f"{self.platform.url('airflow')}/auth/token", json=body, timeout=60, trust_env=False)
        return str(answer.raise_for_status().json()["access_token"])

    def pid(self, component: str) -> int:
        return next(line.pid for line in status(self.platform) if line.name == component)

    def healthy(self, component: str) -> bool:
        return any(line.name == component and not line.problem for line in status(self.platform))

    def kill(self, component: str) -> None:
        """SIGKILL; the supervisor starts the next one."""
        os.kill(self.pid(component), signal.SIGKILL)

    def log(self, component: str) -> str:
        return (self.platform.logs / f"{component}.log").read_text(errors="replace")


@dataclass(frozen=True)
class Run:
    """One DAG run."""

    world: World
    dag_id: str
    run_id: str
    name: str

    @property
    def path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.world.airflow.get(f"{self.path}/taskInstances/{task_id}")
        return found

    def wait(self, task_id: str, *states: str, tries: int = 1, seconds: float = PATIENCE) -> dict[str, Any]:
        """Until the task is in one of these states, in this try or a later one."""
        until = time.monotonic() + seconds
        while (task := self.task(task_id))["state"] not in states or task["try_number"] < tries:
            if time.monotonic() > until:
                told = "\n".join(line for line in self.world.log("scheduler").splitlines()[-2000:] if self.run_id in line)
                pytest.fail(f"{task_id} of {self.name} not {' or '.join(states)} in try {tries}:\n{task}\n{told[-6000:]}")
            time.sleep(BETWEEN)
        return task

    def wait_until_over(self) -> None:
        """Until the scheduler has closed the run: what is cleared in the instant in which it does may stay without a try."""
        wait_for(lambda: self.world.airflow.get(self.path)["state"] in ("success", "failed"), f"the run {self.name} is over")

    def wait_for_job(self, task_id: str, state: str) -> dict[str, Any]:
        """Until the task waits for its job, and the job has really started."""
        task = self.wait(task_id, state)
        wait_for(lambda: self.marks(task_id), f"a mark of {task_id}")
        return task

    def wait_for_trigger(self, task_id: str, number: int = 1) -> None:
        """Until the triggerer runs a deferred try's trigger, and the scheduler knows that the try's process is over.

        A trigger that never ran is never cancelled. And one that fires before the scheduler has read the executor's
        event makes Airflow 3.3.2 take the event for that of the resumed task, and retry it ("state mismatch").
        """
        wait_for(lambda: f"/{task_id}/-1/{number} (ID" in self.log(task_id, number), f"the trigger of {task_id} starts")
        key = f"task_id='{task_id}', run_id='{self.run_id}', try_number={number}, "
        event = f"Received executor event with state success for task instance TaskInstanceKey(dag_id='{self.dag_id}', {key}"
        wait_for(lambda: event in self.world.log("scheduler"), f"the scheduler has seen {task_id} defer")

    def wait_for_cancelled_trigger(self, task_id: str, number: int = 1) -> None:
        """Until the triggerer has called the on_kill of a try that was cleared or marked."""
        words = "Trigger cancelled by user action, invoking on_kill"
        wait_for(lambda: words in self.log(task_id, number), f"the old trigger of {task_id} is cancelled")

    def clear(self, *task_ids: str) -> None:
        """As a person does in the UI, whatever state the tasks are in."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self.run_id, "task_ids": list(task_ids)}
        self.world.airflow.post(f"/dags/{self.dag_id}/clearTaskInstances", body)

    def declare(self, task_id: str, state: str) -> None:
        """Mark failed, or success."""
        self.world.airflow.patch(f"{self.path}/taskInstances/{task_id}", {"new_state": state})

    def open(self) -> None:
        """Let this run's jobs go on to their end."""
        (folder(self.world.platform.home) / f"{self.name}.open").touch()

    def marks(self, task_id: str) -> list[str]:
        """The job's name for every time the task's step really started."""
        path = folder(self.world.platform.home) / f"{self.name}-{task_id}.marks"
        return path.read_text().split() if path.exists() else []

    def xcom(self, task_id: str) -> Any:
        return self.world.airflow.get(f"{self.path}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true")["value"]

    def result(self, task_id: str) -> Result:
        """What the task's XCom points to."""
        return self.world.ledger.resolve(Ref.from_json(self.xcom(task_id)))

    def job(self, task_id: str) -> JobStatus:
        """Of the one job that the task ever started."""
        (name,) = self.marks(task_id)
        return self.world.jobs.status(name)

    def log(self, task_id: str, number: int) -> str:
        found = self.world.airflow.get(f"{self.path}/taskInstances/{task_id}/logs/{number}?full_content=true")
        return "\n".join(str(line) for line in found["content"])

    def process(self, task_id: str) -> psutil.Process:
        """The running task's own process; its parent is the LocalExecutor worker."""
        return psutil.Process(int(self.task(task_id)["pid"]))


@contextmanager
def airflow_world(more: Sequence[str] = (), dag_ids: Sequence[str] | None = None, **environment: str) -> Iterator[World]:
    """Everything that Airflow needs, on free ports, with the test's own DAGs; all of it gone afterwards.

    `more` components are started beside it; `environment` is put over the tests' own; `dag_ids` are switched on.
    """
    home = Path(tempfile.mkdtemp(prefix="slipstream-airflow-"))  # not tmp_path: root's PostgreSQL runs as nobody
    platform = on_free_ports(home)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        try:
            fill(home)
            up(platform, (*AIRFLOW, *more))
            world = World(platform)
            for dag_id in DAG_IDS if dag_ids is None else dag_ids:
                world.airflow.wait_for_dag(dag_id)
            yield world
        finally:
            _stop_jobs(platform)
            down(platform)
            shutil.rmtree(home, ignore_errors=True)


def _stop_jobs(platform: Platform) -> None:
    jobs = ProcessJobs(platform.home / "jobs", {})
    for job in (platform.home / "jobs").glob("*"):
        jobs.stop(job.name)
