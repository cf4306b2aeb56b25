"""A run trains on the machines of its spec, or of its parameter `resources`, which is read before anything is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

from include.core.errors import SpecError
from include.core.needs import Needs
from include.core.spec import Training
from include.core.spec.resources import Resources
from include.core.spec.search import Float, Search
from include.models.flight_delay.spec import SPEC
from include.services.services import Services
from include.training.run_resources import needs_of, needs_of_search
from operators.groups.training import training_group
from operators.lifecycle import training_dag
from operators.resources import spec_of_run
from operators.training import PlanTrainingOperator

Make = Callable[..., dict[str, Any]]


def test_the_needs_of_an_attempt_are_the_specs(services: Services, context: Make) -> None:
    asked = Training(fit=SPEC.training.fit, resources=Resources(gpus=1), workers=3, time_limit=90)
    spec = SPEC.model_copy(update={"training": asked})
    assert needs_of(spec) == Needs(Resources(gpus=1), 3, 90.0)
    assert needs_of(SPEC).seconds == 0
    assert spec_of_run(context(), services, "flight_delay").training == services.spec("flight_delay").training


def test_trials_of_a_search_have_the_machine_of_one_worker_each(services: Services, context: Make) -> None:
    plain = Training(fit=SPEC.training.fit, resources=Resources(gpus=1), workers=3)
    assert needs_of_search(SPEC.model_copy(update={"training": plain})).workers == 1
    search = Search(space={"learning_rate": Float(low=0.001, high=0.1)}, concurrent=4)
    spec = SPEC.model_copy(update={"training": plain.model_copy(update={"search": search})})
    assert needs_of_search(spec) == Needs(Resources(gpus=1), 4)


def test_a_wrong_parameter_is_refused_by_the_first_task_of_the_run(services: Services, context: Make) -> None:
    plan = PlanTrainingOperator(task_id="plan", model="flight_delay", as_of="2013-04-01")
    with pytest.raises(SpecError, match="`resources` does not go with the spec of 'flight_delay'"):
        plan.execute(context(resources={"gpus": 99}))  # type: ignore[arg-type]


def test_the_training_dag_shows_the_parameter_and_refuses_what_is_no_object() -> None:
    dag = training_dag(SPEC)
    param = dag.params.get_param("resources")
    assert param.value is None
    assert "accelerator" in str(param.description)
    assert param.resolve({"gpus": 1}) == {"gpus": 1}
    with pytest.raises(ValueError, match="not of type"):
        param.resolve("gpus=1")


@pytest.mark.parametrize(("where", "pool", "expected"), [("job", None, "gpu"), ("process", None, "gpu"), ("job", "mine", "mine")])
def test_pool_and_queue_are_the_specs_unless_the_dag_says_its_own(where: Any, pool: str | None, expected: str) -> None:
    asked = Training(fit=SPEC.training.fit, pool="gpu", queue="gpu-workers")
    with DAG("own") as dag:
        training_group(SPEC.model_copy(update={"training": asked}), group_id=None, where=where, pool=pool)
    for task_id in ("tune", "train"):
        task = dag.get_task(task_id)
        assert (task.pool, task.queue) == (expected, "gpu-workers")
    assert dag.get_task("plan").pool != expected
