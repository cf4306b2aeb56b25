"""Gates at which a trial holds a task: before its work, after it and before anybody is told, or while it waits elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.reference import load
from include.core.request import Json, Outcome, Request
from include.core.settings import Settings
from include.core.task import Task
from include.rollout.history import read_rollout
from tests.hands.specs import dag_of

PATIENCE = 900.0  # seconds that a gate holds at most: a trial that died must not hold a slot for ever
JOBS = {  # the function of a job's step, and the one that holds it first
    f"include.{name}:run": f"tests.hands.toys:{held}"
    for name, held in (("training.train_step", "train"), ("training.tune_step", "tune"), ("scoring.score_step", "score"))
}


def folder(home: Path, dag_id: str) -> Path:
    path = home / "hands" / dag_id
    path.mkdir(parents=True, exist_ok=True)
    return path


def before(context: Any) -> None:
    _hold(context, "before")


def after(context: Any, result: Any = None) -> None:
    del result
    _hold(context, "after")


def _hold(context: Any, when: str) -> None:
    ti = context["ti"]
    here = folder(Settings.from_env().home, ti.dag_id)
    if when == "before" and (here / f"{ti.task_id}.break").exists():
        raise DataError(f"The trial breaks {ti.task_id}.", hint="clear it.")
    pass_gate(here, f"{ti.task_id}.{when}")


def pass_gate(here: Path, name: str) -> None:
    """Wait while the gate stands, and say that somebody waits."""
    gate, until = here / name, time.monotonic() + PATIENCE
    while gate.exists() and time.monotonic() < until:
        (here / f"{name}.held").touch()
        time.sleep(0.1)


# -- what jobs and stages wait for -----------------------------------------------------------------------


def train(task: Task) -> Outcome:
    return _job(task, "train", "include.training.train_step:run")


def tune(task: Task) -> Outcome:
    return _job(task, "tune", "include.training.tune_step:run")


def score(task: Task) -> Outcome:
    return _job(task, "score", "include.scoring.score_step:run")


def _job(task: Task, name: str, function: str) -> Outcome:
    pass_gate(folder(task.settings.home, dag_of(task.request.model)), f"{name}.waiting")
    step: Callable[[Task], Outcome] = load(function)
    return step(task)


def held_first(build: Callable[[Any, Any, Any], Request]) -> Callable[[Any, Any, Any], Request]:
    """What a job's operator asks for, of the function that holds it first: the request says which function it is.

    Done twice it is as done once: a DAG file may be read again.
    """

    def built(operator: Any, context: Any, services: Any) -> Request:
        asked = build(operator, context, services)
        return replace(asked, function=JOBS.get(asked.function, asked.function))

    return built


def look(*, rollout: str, model: str, stage: str) -> dict[str, Json] | None:
    """A stage passes once nobody holds it: the judge has trials of its own."""
    settings = Settings.from_env()
    known = read_rollout(ControlStore(settings.control_url), rollout)
    if not known.live:
        return {"answer": "roll_back", "reasons": [f"ended by somebody else: {known.state}"]}
    here, name = folder(settings.home, dag_of(model)), f"{stage}.waiting"
    if (here / name).exists():
        (here / f"{name}.held").touch()
        return None
    return {"answer": "promote", "reasons": ["the trial lets it pass"]}
