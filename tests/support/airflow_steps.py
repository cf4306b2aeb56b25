"""What the kernel's test tasks compute. Each leaves a mark for every time it really started."""

from __future__ import annotations

import os
import time
from pathlib import Path

from include.core.errors import DataError, UnreachableError
from include.core.request import Outcome
from include.core.settings import Settings
from include.core.task import Task

PATIENCE = 600.0  # seconds a job waits for its test to let it go


def folder(home: Path) -> Path:
    """Where marks are left and gates are opened."""
    path = home / "marks"
    path.mkdir(parents=True, exist_ok=True)
    return path


def mark(home: Path, name: str, text: str) -> None:
    with (folder(home) / f"{name}.marks").open("a") as file:
        file.write(f"{text}\n")


def count(task: Task) -> Outcome:
    """At once."""
    mark(task.settings.home, task.params["name"], task.attempt.job)
    return Outcome({"pid": os.getpid()})


def hold(task: Task) -> Outcome:
    """Once the test lets it go."""
    _start(task)
    return Outcome({"pid": os.getpid()})


def refuse(task: Task) -> Outcome:
    _start(task)
    raise DataError("Every label of the window is null.", seen=task.params["name"], hint="land the labels.")


def stumble(task: Task) -> Outcome:
    """The first attempt finds its store silent; the second does not."""
    _start(task)
    if task.attempt.number == 1:
        raise UnreachableError("The feature store at 127.0.0.1:1 does not answer.")
    return Outcome({"pid": os.getpid()})


def _start(task: Task) -> None:
    """Leave a mark, then wait at the gate."""
    mark(task.settings.home, task.params["name"], task.attempt.job)
    gate, until = folder(task.settings.home) / task.params["gate"], time.monotonic() + PATIENCE
    while not gate.exists():
        if time.monotonic() > until:
            raise DataError(f"The gate was never opened within {PATIENCE:.0f} s.", seen=str(gate))
        time.sleep(0.1)


def answer(name: str) -> dict[str, str] | None:
    """For a QuestionTrigger: something once the test lets it go."""
    opened = (folder(Settings.from_env().home) / name).exists()
    return {"name": name} if opened else None
