"""An Airflow DAG of a rollout of the shop in whose canary one person of the role `risk` is waited for. Without a gateway: its
stages before and after pass by themselves, and the canary is judged by what the test publishes of it."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow.sdk import DAG

import include.rollout.smoke
import operators.rollout
from include.core.spec import Approval
from include.services.services import Services
from include.serving.client import GatewayClient
from operators.defaults import RETRYING
from operators.groups.rollout import rollout_group
from operators.params import OVERRIDE, VERSION

_spec, _look = Services.spec, operators.rollout._look
os.environ["SLIPSTREAM_APPROVERS"] = "risk=admin,tom,viewer"


def deciding(self: Services, model: str) -> Any:
    spec = _spec(self, model)
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update={"approval": Approval(role="risk")})})


def look(question: Mapping[str, str], patience: float) -> dict[str, Any] | None:
    return _look(question, patience) if question["stage"] == "canary_50" else {"answer": "promote", "reasons": ["fine"]}


Services.spec = deciding  # type: ignore[method-assign]
GatewayClient.wait_applied = lambda *given, **named: {}  # type: ignore[method-assign,assignment]
include.rollout.smoke.smoke_test = lambda *given, **named: {}
operators.rollout._look = look

with DAG(
    "shop_rollout",
    schedule=None,
    start_date=datetime(2013, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"version": VERSION, "override": OVERRIDE},
    default_args=dict(RETRYING),
) as shop_rollout:
    rollout_group(deciding(Services.from_env(), "shop"), group_id=None, pool="default_pool")
