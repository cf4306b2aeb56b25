"""The matrix: what a person may do, in which state of which task; made from the DAGs themselves, so that a new task is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import DAG

from include.core.catalog import load_spec
from operators.base import ComputeOperator
from operators.lifecycle import lifecycle_dags
from operators.rollout import RolloutStageOperator
from operators.rollout_end import RollBackModelOperator
from operators.sensors import PartitionSensor
from tests.hands.specs import KINDS, PACKAGE, dag_of

ACTIONS = {
    "clear": "the task is cleared",
    "clear below": "the task is cleared with all that is downstream",
    "success": "the task is marked success",
    "failed": "the task is marked failed",
    "run success": "the run is marked success",
    "run failed": "the run is marked failed",
    "delete": "the run is marked failed (Airflow deletes no running one), then deleted",
    "pause": "the DAG is paused in the middle, and switched on again later",
    "twice": "the same thing is asked for once more meanwhile",
    "conf": "another thing is asked for meanwhile",
    "backfill": "a backfill of two days is cancelled during the first",
    "retry": "the task fails; once the run is over it is cleared with all that is downstream",
}
EVENTS = {  # of the DAG that events start
    "event twice": "the event of a candidate comes twice",
    "events out of order": "the event of an older candidate comes after that of a newer one",
    "events at once": "three candidates' events come during a rollout: Airflow makes one run of them, and drops some",
    "event lost": "a candidate's event comes while the DAG is paused: Airflow drops it; the next one's comes later",
}
STATES = {
    "ahead": "not begun, and a task before it under way",
    "before": "running, its work not begun",
    "after": "running, its work done and nobody told",
    "waiting": "deferred, or up for reschedule",
    "done": "a success, and what follows not begun",
}
ONE_STATE = {"backfill": "before", "retry": "before"}


@dataclass(frozen=True)
class Cell:
    kind: str
    task: str  # empty for what is done to events
    action: str
    state: str

    def __str__(self) -> str:
        return " / ".join(filter(None, (self.kind, self.task, self.action, self.state)))


def dag_of_kind(kind: str) -> DAG:
    model = f"{kind}_0"
    return next(dag for dag in lifecycle_dags(load_spec(model, PACKAGE)) if dag.dag_id == dag_of(model))


def tasks_of(kind: str) -> list[Any]:
    return list(dag_of_kind(kind).topological_sort())


def waits(task: Any) -> bool:
    job = isinstance(task, ComputeOperator) and task.where == "job"
    return job or isinstance(task, RolloutStageOperator | PartitionSensor)


def absent(kind: str, task: Any, action: str) -> str:
    """Why a cell does not apply; empty if it does."""
    if action == "backfill" and kind == "rollout":
        return "an event starts it: Airflow makes no backfill of it"
    if action == "backfill" and task.task_id == "tune":
        return "a run must ask for it"
    return ""


def states_of(task: Any, action: str) -> list[str]:
    if action in ONE_STATE:
        return [ONE_STATE[action]]
    left_out = {"waiting"} if not waits(task) else set()
    if action not in ("success", "failed") or not task.upstream_list:
        left_out.add("ahead")
    if isinstance(task, RollBackModelOperator):  # skipped where all goes well: it has no work to be held after
        left_out.add("after")
    if action == "success":  # Airflow refuses it: it is one
        left_out.add("done")
    return [state for state in STATES if state not in left_out]


def before(kind: str, task_id: str) -> str:
    """The first task that it waits for."""
    above = dag_of_kind(kind).get_task(task_id).upstream_task_ids
    return next(task.task_id for task in tasks_of(kind) if task.task_id in above)


def matrix(kinds: Sequence[str] = KINDS, *, whole: bool = False) -> Iterator[Cell]:
    """Every action on every task of every DAG, in a state that takes turns; `whole`: in every state."""
    for kind in kinds:
        for row, task in enumerate(tasks_of(kind)):
            for column, action in enumerate(ACTIONS):
                if absent(kind, task, action):
                    continue
                states = states_of(task, action)
                for state in states if whole else [states[(row + column) % len(states)]]:
                    yield Cell(kind, task.task_id, action, state)
        if kind == "rollout":
            yield from (Cell(kind, "", action, "") for action in EVENTS)


SAMPLE = {  # on the DAG that needs no training, and where most is at stake
    "failed": ("canary_50", "waiting"),
    "delete": ("open", "after"),
    "event lost": ("", ""),
}


def sample() -> list[Cell]:
    """A minute of it: what does most harm where it is not expected, to a task, a run and an event."""
    return [Cell("rollout", task, action, state) for action, (task, state) in SAMPLE.items()]
