"""Whether and on what a run trains, and that the training is the same work once."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import DataError
from operators.registry import RegisterModelOperator
from operators.training import PlanTrainingOperator, TrainModelOperator, TuneModelOperator
from tests.unit.operators.life import MODEL, Life, Run, day


def plan(run: Run) -> dict[str, str]:
    value: dict[str, str] = run(PlanTrainingOperator(task_id="plan", model=MODEL))
    return value


def test_it(registered: Life, nursery) -> None:
    import time

    print(nursery.run().xcom)
    registered.land(day(5))
    t = time.time()
    p = registered.publish(day(5))
    print(time.time() - t)
    t = time.time()
    print(registered.materialize(p), time.time() - t)
    assert 0
