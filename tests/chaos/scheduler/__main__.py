"""`python -m tests.chaos.scheduler`: a real Airflow on a real Ray head, killed, cleared and marked while jobs run.

Exit status 1 where a job was restarted, doubled or cancelled wrongly, or a task came back too late.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial

from tests.chaos.scheduler.trials import Trial, clear, kill_component, kill_ray_head, kill_task, kill_worker, mark
from tests.chaos.scheduler.world import RayWorld, ray_world
from tests.support import programs
from tests.support.warm import prepare_process

WORKER_LIMIT = 30.0  # seconds
AGAIN = "until its task runs again"
ADOPTED = "from the clear until both tasks wait for their jobs again"
DONE = "until both tasks are done, the jobs ending at once"

HEAD = """## Scheduler-level trials

A real Airflow (scheduler, LocalExecutor, triggerer, dag processor, API server) and a real Ray head under `make up`'s
supervisor, with the shipped settings and retries; only `SLIPSTREAM_WARM` is off. A run has two jobs on the head: one is
waited for in the triggerer, one polled by its task. Both must have been started once, under one name, never stopped,
have one live process, and what they computed is what their tasks returned. `on_kill` has fired on each cleared or
marked task before its job may end. Jobs of a killed Ray head are killed before the next one starts, and begun
once more under their old name.
"""


def main() -> int:
    programs.require("tests.chaos.scheduler")
    prepare_process()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else nobody takes the platform down
    began, load = time.monotonic(), os.getloadavg()[0]
    with ray_world() as world:
        up = time.monotonic() - began
        print(f"up after {up:.0f} s, load {load:.1f}", flush=True)
        trials = list(told(world))
    text = section(trials, load)
    print(f"\n{text}\n{time.monotonic() - began:.0f} s in all, {up:.0f} s of it start-up", flush=True)
    keep(text)
    return 0 if all(trial.good for trial in trials) else 1


def told(world: RayWorld) -> Iterator[Trial]:
    for trial in told_in_turn(world):
        mark = "ok" if trial.good else "VIOLATED " + "; ".join(trial.problems)
        print(f"  {trial.name:<40} {trial.seconds:6.1f} s  {mark}", flush=True)
        yield trial


def told_in_turn(world: RayWorld) -> Iterator[Trial]:
    """While Airflow takes its time to notice a killed worker, other trials go on."""
    for others in ((("both tasks cleared", partial(clear, world)),), tuple(marked(world))):
        killed = kill_worker(world)
        yield from (Trial(name, ADOPTED).run(story) for name, story in others)
        yield Trial("a LocalExecutor worker killed -9", AGAIN, limit=WORKER_LIMIT).run(killed.finish)
    yield Trial("a task's process killed -9", AGAIN).run(partial(kill_task, world))
    yield Trial("the triggerer killed -9", DONE).run(partial(kill_component, world, "triggerer"))
    yield Trial("the scheduler killed -9", DONE).run(partial(kill_component, world, "scheduler"))
    yield Trial("the Ray head killed -9", "until both jobs run again").run(partial(kill_ray_head, world))


def marked(world: RayWorld) -> Iterator[tuple[str, partial[tuple[float, list[str]]]]]:
    for state in ("failed", "success"):
        yield f"both tasks marked {state}, then cleared", partial(mark, world, state)


def section(trials: Iterable[Trial], load: float) -> str:
    rows = "\n".join(f"| {one.name} | {one.seconds:.1f} | {one.measured} | {verdict(one)} |" for one in trials)
    table = f"| what happened | seconds | measured | |\n|---|---|---|---|\n{rows}\n"
    return f"{HEAD}\n{table}\nLoad {load:.1f} on {os.cpu_count()} cores at the start.\n"


def verdict(trial: Trial) -> str:
    if trial.problems:
        return "**violated**: " + "; ".join(trial.problems).replace("\n", " ").replace("|", "/")[:300]
    if trial.seconds > trial.limit:
        return f"**later than {trial.limit:.0f} s**"
    return "no job lost, doubled or cancelled" + ("" if trial.limit == float("inf") else f"; goal {trial.limit:.0f} s")


def keep(text: str) -> None:
    """Into the book that the guarantees page is written from."""
    from tests.chaos.matrix import RECORD
    from tests.chaos.record import Book

    book = Book.read(RECORD)
    book.sections["scheduler"] = text
    book.write(RECORD)


if __name__ == "__main__":
    raise SystemExit(main())
