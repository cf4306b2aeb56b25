"""An Airflow DAG of one experiment of the shop: each task killed before its work, and once more after it.

Without a gateway; the clock is a file of the platform's home.
"""

import os
import signal
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG

import operators.experiment
from include.core.settings import Settings
from include.services.services import Services
from include.serving.client import GatewayClient
from operators.base import SlipstreamOperator
from operators.defaults import RETRIES
from operators.groups.experiment import experiment_group
from operators.params import EXPERIMENT, VERSION
from tests.support import killed_once
from tests.support.experiment_log import TRIAL

_spec = Services.spec


def with_experiment(self: Services, model: str) -> Any:
    return _spec(self, model).model_copy(update={"experiments": (TRIAL,)})


def killed(when: str, context: Any) -> None:
    ti = context["ti"]
    if killed_once.first(f"{when}-{ti.run_id}-{ti.task_id}"):
        os.kill(os.getpid(), signal.SIGKILL)


Services.spec = with_experiment  # type: ignore[method-assign]
GatewayClient.wait_applied = lambda *given, **named: {}  # type: ignore[method-assign,assignment]
operators.experiment.utc_now = lambda: datetime.fromisoformat((Settings.from_env().home / "clock").read_text())
SlipstreamOperator.pre_execute = lambda self, context: killed("before", context)  # type: ignore[method-assign,assignment]
SlipstreamOperator.post_execute = lambda self, context, result=None: killed("after", context)  # type: ignore[method-assign,assignment]

with DAG(
    "shop_trial",
    schedule=None,
    start_date=datetime(2013, 1, 1),  # noqa: DTZ001 - Airflow takes it for UTC
    params={"experiment": EXPERIMENT, "version": VERSION},
    default_args={"retries": 5, "retry_delay": timedelta(seconds=1), "retry_policy": RETRIES},
) as shop_trial:
    experiment_group("shop", group_id=None)
