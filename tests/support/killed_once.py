"""SIGKILL for each task of a run, once: after its work, before anybody is told; before it where a task is to be skipped.

Of a mapped operator's tasks the first one stands for the others, unless all cases are asked for.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from include.core.request import Json
from include.core.settings import Settings
from tests.support.effort import effort

MAPPED = effort(1, 1000)  # of a mapped operator's tasks, so many are killed
SKIPPED = ("tune", "roll_back")  # of a run that does not tune, and is promoted: nothing is called after a skip


def folder(home: Path) -> Path:
    path = home / "killed"
    path.mkdir(parents=True, exist_ok=True)
    return path


def before(operator: Any, context: Any) -> None:
    del operator
    if context["ti"].task_id.rpartition(".")[2] in SKIPPED:
        _kill(context)


def after(operator: Any, context: Any, result: Any = None) -> None:
    del operator, result
    _kill(context)


def _kill(context: Any) -> None:
    ti = context["ti"]
    if is_killed(ti.map_index) and first(f"{ti.task_id}.{ti.map_index}"):
        os.kill(os.getpid(), signal.SIGKILL)


def is_killed(map_index: int) -> bool:
    """Whether the task with this index is; -1: it is not mapped."""
    return map_index < MAPPED


def first(name: str) -> bool:
    """Whether this is the first call with the name, in whatever process."""
    try:
        (folder(Settings.from_env().home) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def look(*, rollout: str, model: str, stage: str) -> dict[str, Json] | None:
    """A stage passes at the second look at it: the first is the task's own, which then waits in the triggerer."""
    del model
    return None if first(f"look-{rollout}-{stage}") else {"answer": "promote", "reasons": ["the test says so"]}
