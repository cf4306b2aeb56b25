"""Who waits for a job: written down once for each task, and only where the DAG's name does not say it."""

from __future__ import annotations

from pathlib import Path

from include.core.control import ControlStore
from include.governance.waiters import Waiter, own_dag, record, waiters


def test_each_waiter_of_a_job_is_written_down_once(tmp_path: Path) -> None:
    control = ControlStore(f"sqlite:///{tmp_path}/control.db")
    control.create_tables()
    one, other = Waiter("weekly", "manual__1", "learn.train"), Waiter("weekly", "manual__2", "learn.train")
    for waiter in (one, one, other):
        record(control, "slip-train-0-g0-a1", waiter)
    assert waiters(control, "slip-train-0-g0-a1") == [one, other]
    assert waiters(control, "slip-train-0-g0-a2") == []


def test_the_generated_dag_of_a_step_is_known_by_its_name() -> None:
    assert [own_dag("toy", step) for step in ("tune", "train", "score")] == ["toy_training", "toy_training", "toy_scoring"]
