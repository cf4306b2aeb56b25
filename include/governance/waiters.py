"""Which task of which DAG run waits for a job, where the DAG is an author's own: its name says nothing about the model.

Of the DAGs that are made from a spec nothing is written: their names say it all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.documents import DocumentKind
from include.core.versioned import Format

WAITERS = DocumentKind("waiter", Format("the waiter of a job"))
DAGS = {"tune": "training", "train": "training", "score": "scoring"}  # the generated DAG whose task waits for a step's job


@dataclass(frozen=True)
class Waiter:
    """A task of a run."""

    dag_id: str
    run_id: str
    task_id: str


def own_dag(model: str, step: str) -> str:
    """The id of the model's generated DAG that has a task for the step."""
    return f"{model}_{DAGS.get(step, step)}"


def record(control: ControlStore, job: str, waiter: Waiter) -> None:
    """Write it down, before the job is submitted. Doing it again changes nothing."""
    WAITERS.save(control, f"waiter/{job}/{digest_json(asdict(waiter))[:16]}", f"job/{job}", asdict(waiter))


def waiters(control: ControlStore, job: str) -> list[Waiter]:
    """Everyone who ever waited for the job: whether their runs are under way is Airflow's to say."""
    with control.transaction() as connection:
        return waiters_in(connection, [job])


def waiters_in(connection: sa.Connection, jobs: Iterable[str]) -> list[Waiter]:
    """The same, of several jobs."""
    found = [document.body for job in jobs for document in WAITERS.about_in(connection, f"job/{job}")]
    return [Waiter(str(body["dag_id"]), str(body["run_id"]), str(body["task_id"])) for body in found]
