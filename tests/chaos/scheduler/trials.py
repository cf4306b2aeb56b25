"""The trials: what is done to a run, how long its recovery took, what was wrong afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil
import pytest

from include.core.errors import SlipstreamError
from include.core.ports import JobStatus
from tests.chaos.scheduler.world import WAITING, RayWorld, begin, finish
from tests.support.airflow_world import Run, wait_for
from tests.support.ends import is_gone

HEAD_PATIENCE = 300.0  # seconds for a Ray head to be replaced and a job on it to start


@dataclass
class Trial:
    name: str
    measured: str  # what the seconds are from and to
    seconds: float = float("nan")
    limit: float = float("inf")
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.problems and not self.seconds > self.limit

    def run(self, story: Callable[[], tuple[float, list[str]]]) -> Trial:
        """Tell the story; whatever interrupts it is a problem of this trial alone."""
        try:
            self.seconds, self.problems = story()
        except (pytest.fail.Exception, SlipstreamError, psutil.Error) as error:
            self.problems = [f"{type(error).__name__}: {error}"]
        return self


@dataclass(frozen=True)
class Killed:
    """A run whose polling task lost a process, and when."""

    run: Run
    at: datetime

    def finish(self) -> tuple[float, list[str]]:
        """Seconds until the task ran again."""
        self.run.wait("polling", "running", tries=2)
        seconds = (datetime.fromisoformat(self.run.task("polling")["start_date"]) - self.at).total_seconds()
        return seconds, finish(self.run)


def kill_worker(world: RayWorld) -> Killed:
    """The LocalExecutor worker that runs the polling task; its task's process ends when it notices."""
    run = begin(world)
    run.process("polling").parent().kill()
    return Killed(run, datetime.now(UTC))


def kill_task(world: RayWorld) -> tuple[float, list[str]]:
    run = begin(world)
    run.process("polling").kill()
    return Killed(run, datetime.now(UTC)).finish()


def kill_component(world: RayWorld, name: str) -> tuple[float, list[str]]:
    """The triggerer or the scheduler; the jobs may end at once. Seconds until both tasks have succeeded."""
    run, killed, began = begin(world), world.pid(name), time.monotonic()
    world.kill(name)
    found = finish(run)
    seconds = time.monotonic() - began
    if name == "triggerer" and (tries := run.task("deferred")["try_number"]) != 1:
        found.append(f"the deferred task was tried {tries} times")
    wait_for(lambda: world.pid(name) not in (0, killed) and world.healthy(name), f"the supervisor starts another {name}")
    return seconds, found


def kill_ray_head(world: RayWorld) -> tuple[float, list[str]]:
    """The jobs die with their head. Seconds until both run again, under their old names, on the next one."""
    run, began = begin(world), time.monotonic()
    world.kill("ray")
    wait_for(lambda: all(len(run.marks(task_id)) > 1 for task_id in WAITING), "both jobs run again", HEAD_PATIENCE)
    seconds = time.monotonic() - began
    for task_id, state in WAITING.items():
        run.wait(task_id, state)
    return seconds, finish(run, starts=2)


def clear(world: RayWorld) -> tuple[float, list[str]]:
    """Both tasks, while their jobs run. The old tries' on_kill fires after the new tries have adopted the jobs."""
    run = begin(world)
    old = run.process("polling")
    seconds = _clear(run)
    run.wait_for_cancelled_trigger("deferred")
    wait_for(lambda: is_gone(old), "the old try's process is killed")
    return seconds, finish(run)


def mark(world: RayWorld, state: str) -> tuple[float, list[str]]:
    """Both tasks, while their jobs run: the jobs go on, and a later clear adopts them."""
    run = begin(world)
    old = run.process("polling")
    for task_id in WAITING:
        run.declare(task_id, state)
    run.wait_for_cancelled_trigger("deferred")
    wait_for(lambda: is_gone(old), "the marked task's process is killed")
    found = [f"{task_id}: marked {state}, its job is {run.job(task_id)}" for task_id in WAITING if not _runs(run, task_id)]
    found += [f"{task_id} is {now}, not {state}" for task_id in WAITING if (now := run.task(task_id)["state"]) != state]
    return _clear(run), found + finish(run)


def _runs(run: Run, task_id: str) -> bool:
    return run.job(task_id) is JobStatus.RUNNING


def _clear(run: Run) -> float:
    """Seconds until both tasks wait for their jobs again, in their second try."""
    began = time.monotonic()
    run.clear(*WAITING)
    for task_id, state in WAITING.items():
        run.wait(task_id, state, tries=2)
    seconds = time.monotonic() - began
    run.wait_for_trigger("deferred", 2)
    return seconds
