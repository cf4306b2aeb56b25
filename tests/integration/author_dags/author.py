"""The example's own Airflow DAG with the shop as its model, each of its tasks killed once; without a gateway and a registry."""

from datetime import timedelta
from typing import Any

import include.rollout.smoke
import include.rollout.stage_evaluation
import include.serving.client
import operators.rollout
from examples.dags.weekly import weekly_dag
from operators.base import SlipstreamOperator
from operators.triggers import QuestionTrigger
from tests.support import killed_once


def question(function: str, kwargs: dict[str, Any], seconds: float, poll_seconds: float) -> QuestionTrigger:
    """The stage's own look reads a prediction log; here it passes at the second look, which is the triggerer's."""
    return QuestionTrigger("tests.support.killed_once:look", kwargs, seconds, min(poll_seconds, 0.5))


include.serving.client.GatewayClient.wait_applied = lambda *given, **named: {}  # type: ignore[method-assign,assignment]
include.rollout.smoke.smoke_test = lambda *given, **named: {}
include.rollout.stage_evaluation.evaluate_stage = killed_once.look
operators.rollout.QuestionTrigger = question  # type: ignore[assignment,misc]
operators.rollout.TrafficOperator.mirror = lambda *given: None  # type: ignore[method-assign]
SlipstreamOperator.pre_execute = killed_once.before  # type: ignore[method-assign,assignment]
SlipstreamOperator.post_execute = killed_once.after  # type: ignore[method-assign,assignment]

author = weekly_dag("shop", days=4, schedule=None, default_args={"retry_delay": timedelta(seconds=1), "retries": 3})
author.get_task("which_days")._post_execute_hook = lambda context, result: killed_once.after(None, context)
