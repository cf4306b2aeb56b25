"""Steps for the kernel's tests: each leaves a mark for every time it really ran."""

from __future__ import annotations

from pathlib import Path

from include.core.errors import DataError
from include.core.request import Outcome
from include.core.task import Task


def double(task: Task) -> Outcome:
    _mark(task)
    path = task.workdir / "out.txt"
    path.write_text(str(2 * task.params["n"]))
    return Outcome({"twice": 2 * task.params["n"]}, {"out.txt": path})


def refuse(task: Task) -> Outcome:
    raise DataError("There are no labels.", seen=task.params["n"])


def _mark(task: Task) -> None:
    with Path(task.params["marks"]).open("a") as file:
        file.write(f"{task.attempt.generation}/{task.attempt.number}\n")
