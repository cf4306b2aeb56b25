"""The DAGs' policy on errors, and the options that a DAG passes on to its tasks."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from include.core import errors
from include.core.catalog import load_spec
from include.core.errors import FencedError, PermanentError, SlipstreamError, TransientError
from include.rollout.plan import rollout_stages
from operators.lifecycle import RETRIES, lifecycle_dags, rollout_dag

SPEC = load_spec("shop", "tests.unit.operators.models")
ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SlipstreamError)]


def action(error: BaseException) -> RetryAction:
    return RETRIES.evaluate(error, try_number=1, max_tries=3).action


@pytest.mark.parametrize("kind", [kind for kind in ALL if issubclass(kind, PermanentError) and kind is not FencedError])
def test_an_error_that_a_retry_cannot_help_fails_at_once(kind: type[SlipstreamError]) -> None:
    assert action(kind("what")) is RetryAction.FAIL


# Who fences an attempt off may be a late one that woke up: if this one still counts, its next try has its turn again.
@pytest.mark.parametrize("kind", [FencedError, *(kind for kind in ALL if issubclass(kind, TransientError))])
def test_an_error_that_may_pass_is_retried_after_a_while(kind: type[SlipstreamError]) -> None:
    decision = RETRIES.evaluate(kind("what"), try_number=1, max_tries=3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=20)


@pytest.mark.parametrize("error", [RuntimeError("?"), KeyError("?"), OSError(28, "No space left on device")])
def test_what_nobody_classified_has_airflows_own_retries(error: Exception) -> None:
    assert action(error) is RetryAction.DEFAULT


def test_every_error_is_one_or_the_other() -> None:
    bases = {SlipstreamError, PermanentError, TransientError}
    assert all(issubclass(kind, PermanentError) != issubclass(kind, TransientError) for kind in ALL if kind not in bases)


def test_every_task_has_the_policy_and_some_retries() -> None:
    tasks = [task for dag in lifecycle_dags(SPEC) for task in dag.tasks]
    assert len(tasks) >= 20
    assert all(task.retry_policy is RETRIES and task.retries == 3 for task in tasks)


def test_no_dag_ends() -> None:
    """With an end date, a later manual run would succeed with no task run."""
    assert [dag.end_date for dag in lifecycle_dags(SPEC)] == [None] * 6


def test_a_training_goes_before_backfills_and_a_rollout_before_all_where_tasks_wait_for_a_slot() -> None:
    """Airflow adds the weights of the tasks that follow: the least of one DAG is above the most of the next."""
    weights: dict[str, list[int]] = {}
    for dag in lifecycle_dags(SPEC):
        for task in dag.tasks:
            after = task.get_flat_relative_ids(upstream=False)
            total = task.priority_weight + sum(dag.get_task(each).priority_weight for each in after)
            weights.setdefault(dag.dag_id, []).append(total)
    order = ["shop_rollout", "shop_training", "shop_monitoring", "shop_features", "shop_scoring"]
    for first in ("shop_training", "shop_monitoring"):
        assert min(weights[first]) > max(max(weights[each]) for each in order[3:])
    assert max(weights["shop_scoring"]) == 2  # the score, and its publication


def test_what_is_scarce_has_a_pool() -> None:
    pools = {(dag.dag_id, task.task_id): task.pool for dag in lifecycle_dags(SPEC) for task in dag.tasks}
    assert pools["shop_training", "train"] == pools["shop_training", "tune"] == pools["shop_scoring", "score"] == "ray"
    assert pools["shop_rollout", "shadow"] == pools["shop_rollout", "full_100"] == "gateway"


@pytest.mark.parametrize("rollout", [{}, {"steps": (10, 50, 100)}, {"strategy": "blue_green"}])
def test_a_rollout_has_a_task_for_each_stage_of_its_plan_in_its_order(rollout: dict[str, object]) -> None:
    spec = SPEC.model_copy(update={"rollout": SPEC.rollout.model_copy(update=rollout)})
    stages = [stage.name for stage in rollout_stages(spec)]
    walked = [task.task_id for task in rollout_dag(spec).topological_sort() if task.task_id in stages]
    assert walked == stages


def test_every_run_parameter_reads_well_in_the_trigger_form() -> None:
    for dag in lifecycle_dags(SPEC):
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, (dag.dag_id, name)
            assert param.schema["title"], (dag.dag_id, name)
            assert param.schema["type"], (dag.dag_id, name)


def test_the_end_of_a_rollout_comes_whatever_a_person_marks_and_says_what_the_run_was() -> None:
    """Teardowns outlive a marked run. Airflow takes the run's state from the tasks that no other counted one follows."""
    dag = next(dag for dag in lifecycle_dags(SPEC) if dag.dag_id == "shop_rollout")
    teardowns = {task.task_id for task in dag.tasks if task.is_teardown}
    assert teardowns == {"roll_back", "conclude"}
    counted = {task.task_id for task in dag.tasks if not task.is_teardown or task.on_failure_fail_dagrun}
    assert {task_id for task_id in counted if not dag.get_task(task_id).downstream_task_ids & counted} == {"conclude"}
    assert dag.get_task("conclude").upstream_task_ids >= {"roll_back", "promote"}
    forward = {task.task_id for task in dag.tasks} - teardowns
    assert all(dag.get_task(task_id).downstream_task_ids >= teardowns for task_id in forward)  # a clear brings them with it


def test_one_rollout_and_one_watch_at_a_time() -> None:
    active = {dag.dag_id: dag.max_active_runs for dag in lifecycle_dags(SPEC)}
    assert active["shop_rollout"] == active["shop_monitoring"] == 1
