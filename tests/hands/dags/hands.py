"""The product's own Airflow DAGs of the toy models, with a gate before and after each task; without a gateway and a registry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, ExceptionRetryPolicy

import include.rollout.smoke
import include.rollout.stage_evaluation
import include.serving.client
import operators.rollout
from include.core.catalog import load_spec
from operators.base import ComputeOperator
from operators.lifecycle import RETRIES, lifecycle_dags
from operators.scoring import ScoreBatchOperator
from operators.sensors import FreshnessSensor, PartitionSensor
from operators.training import TrainModelOperator, TuneModelOperator
from operators.triggers import QuestionTrigger
from tests.hands import toys
from tests.hands.specs import MODELS, PACKAGE, dag_of

SOON = timedelta(seconds=1)
QUICK = ExceptionRetryPolicy(rules=[replace(rule, retry_delay=rule.retry_delay and SOON) for rule in RETRIES.rules])


def question(function: str, kwargs: dict[str, Any], seconds: float, poll_seconds: float) -> QuestionTrigger:
    """The stage's own look reads a prediction log; here it waits at the trial's gate."""
    asked = "tests.hands.toys:look" if function == "include.rollout.stage_evaluation:evaluate_stage" else function
    return QuestionTrigger(asked, kwargs, seconds, min(poll_seconds, 0.5))


include.serving.client.GatewayClient.wait_applied = lambda *given, **named: {}
include.rollout.smoke.smoke_test = lambda *given, **named: {}
include.rollout.stage_evaluation.evaluate_stage = toys.look
operators.rollout.QuestionTrigger = question  # type: ignore[assignment,misc]
operators.rollout.TrafficOperator.mirror = lambda *given: None  # type: ignore[method-assign]

for _operator in (ScoreBatchOperator, TrainModelOperator, TuneModelOperator):  # Airflow runs copies of a DAG's tasks
    _operator.build = toys.held_first(_operator.build)  # type: ignore[method-assign]


def with_gates(dag: DAG) -> DAG:
    for task in dag.tasks:
        task._pre_execute_hook, task._post_execute_hook = toys.before, toys.after
        task.retry_delay, task.retry_policy = SOON, QUICK
        if isinstance(task, PartitionSensor | FreshnessSensor):
            task.poke_interval = 1.0
        if isinstance(task, ComputeOperator) and task.where == "job":
            task.poll_seconds = 0.5
    return dag


for _model in MODELS:
    for _dag in lifecycle_dags(load_spec(_model, PACKAGE)):
        if _dag.dag_id == dag_of(_model):
            globals()[_dag.dag_id] = with_gates(_dag)
