"""An Airflow DAG of a rollout of the shop that asks one person before any traffic. Without a gateway: every stage passes."""

from datetime import datetime
from typing import Any

from airflow.sdk import DAG

import include.rollout.smoke
import operators.rollout
from include.core.spec import Approval
from include.rollout.machine import enter_stage
from include.services.services import Services
from include.serving.client import GatewayClient
from operators.defaults import RETRYING
from operators.groups.rollout import rollout_group
from operators.params import OVERRIDE, VERSION
from operators.traffic import RolloutOperator

_spec = Services.spec


def asking(self: Services, model: str) -> Any:
    spec = _spec(self, model)
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"approval": Approval(before="traffic")})})


def enter(self: RolloutOperator, services: Services, stage: str, epoch: int) -> int:
    return enter_stage(services.control, self.driven(services), stage, epoch)


def passes(question: Any, patience: float) -> dict[str, Any]:
    del question, patience
    return {"answer": "promote", "reasons": ["fine"]}


Services.spec = asking  # type: ignore[method-assign]
GatewayClient.wait_applied = lambda *given, **named: {}  # type: ignore[method-assign,assignment]
RolloutOperator.enter = enter  # type: ignore[method-assign]
include.rollout.smoke.smoke_test = lambda *given, **named: {}
operators.rollout._look = passes

with DAG(
    "shop_asking",
    schedule=None,
    start_date=datetime(2013, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"version": VERSION, "override": OVERRIDE},
    default_args=dict(RETRYING),
) as shop_asking:
    rollout_group(asking(Services.from_env(), "shop"), group_id=None, pool="default_pool")
