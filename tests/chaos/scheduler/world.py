"""One run of two jobs on a Ray head, under a real Airflow; and what must be true of it after a fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import psutil

from include.backends.ray.jobs import RayJobs, open_jobs
from include.core.ports import JobStatus
from include.local.credentials import Credentials
from tests.support.airflow_world import Run, World, airflow_world

WAITING = {"deferred": "deferred", "polling": "running"}  # a job's task, and the state it waits in
SHIPPED = {"SLIPSTREAM_JOB_BACKEND": "ray", "SLIPSTREAM_TEST_RETRIES": "shipped"}


@dataclass(frozen=True)
class RayWorld(World):
    """A platform whose jobs run on its Ray head."""

    @cached_property
    def jobs(self) -> RayJobs:
        return open_jobs(self.settings, Credentials.load(self.platform.home).ray_token)


@contextmanager
def ray_world() -> Iterator[RayWorld]:
    """PostgreSQL, Ray and Airflow under the supervisor, with the shipped settings and the shipped retries."""
    with airflow_world(("ray",), **SHIPPED) as world:
        yield RayWorld(world.platform)


def begin(world: World) -> Run:
    """A run whose two jobs wait for their gate, one in the triggerer, one polled by its task."""
    run = world.start("kernel")
    for task_id, state in WAITING.items():
        run.wait_for_job(task_id, state)
    run.wait_for_trigger("deferred")
    return run


def finish(run: Run, starts: int = 1) -> list[str]:
    """Let the jobs end; what is wrong with what came of it.

    `starts` is how often each job's process was begun: twice where the first one died with its head.
    """
    found = [f"{task_id}: {count} processes of its job live" for task_id in WAITING if (count := living(run, task_id)) != 1]
    run.open()
    for task_id in WAITING:
        run.wait(task_id, "success")
    return [*found, *(problem for task_id in WAITING for problem in problems(run, task_id, starts))]


def problems(run: Run, task_id: str, starts: int) -> Iterator[str]:
    """One job of one name, begun so often; not stopped; its result is the task's."""
    marks = run.marks(task_id)
    if len(marks) != starts or len(set(marks)) != 1:
        yield f"{task_id}: started as {marks}, expected {starts} of one name"
        return
    if not marks[0].endswith("-g0-a1"):
        yield f"{task_id}: its job is {marks[0]}, a later attempt"
    if (status := run.world.jobs.status(marks[0])) is not JobStatus.SUCCEEDED:
        yield f"{task_id}: its job is {status}"
    if run.result(task_id).attempt != 1:
        yield f"{task_id}: the result is that of attempt {run.result(task_id).attempt}"


def living(run: Run, task_id: str) -> int:
    """Processes that work on the task's job now."""
    digest = run.marks(task_id)[-1].removeprefix("slip-marked-").partition("-")[0]
    lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return sum("include.core.task" in line and any(word.startswith(f"marked/{digest}") for word in line) for line in lines)
