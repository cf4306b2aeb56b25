"""The way from an Airflow task to Slipstream's services: settings from the environment, secrets from connections."""

from __future__ import annotations

import os
import sys

from airflow.sdk import BaseHook

from include.core.digest import PROJECT
from include.core.ledger import Attempt
from include.core.ports import Job
from include.core.private_files import set_mask
from include.core.settings import Settings
from include.core.storage import Storage
from include.services.services import Services

# What a job must know to find its inputs and to show its metrics. No step of a job writes to the control store or to the
# online one, so it is not given their addresses, which hold passwords: a job backend shows what it is handed.
FORWARDED = ("HOME", "ROOT", "MLFLOW_URL", "RAY_URL", "MODELS", "JOB_BACKEND", "REGISTRY")


class AirflowConnections:
    """Airflow's own connections: of the environment, its database, or a secrets backend."""

    def uri(self, conn_id: str) -> str | None:
        from airflow.sdk.exceptions import AirflowNotFoundException

        if given := os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}"):  # an environment connection is itself that URI
            return given
        try:
            return str(BaseHook.get_connection(conn_id).get_uri())
        except AirflowNotFoundException:
            return None

    def storage(self, settings: Settings) -> Storage:
        return _s3_storage(settings) if settings.root.startswith("s3://") else settings.storage()


def open_services() -> Services:
    """The services of a task. Opened in each; cheap until used."""
    set_mask()
    return Services(Settings.from_env(), AirflowConnections())


def job_of(attempt: Attempt, services: Services, model: str, step: str) -> Job:
    """The job that computes an attempt's request: the same command whatever the backend."""
    settings = services.settings
    env = {f"SLIPSTREAM_{name}": str(getattr(settings, name.lower())) for name in FORWARDED}
    command = (sys.executable, "-m", "include.core.task", attempt.key,
               "--generation", str(attempt.generation), "--attempt", str(attempt.number))  # fmt: skip
    return Job(attempt.job, command, {**env, "PYTHONPATH": str(PROJECT)}, {"model": model, "step": step})


def _s3_storage(settings: Settings) -> Storage:
    """S3 by the Airflow AWS connection (SLIPSTREAM_AWS_CONN_ID, default aws_default), with our time-outs and authorities.

    What the connection says itself (`config_kwargs`, `verify`) comes first.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from include.backends.s3.client import CONFIG, authorities
    from include.backends.s3.storage import S3Storage

    name = os.environ.get("SLIPSTREAM_AWS_CONN_ID", "aws_default")
    hook = S3Hook(aws_conn_id=name)
    if hook.verify is None:
        hook = S3Hook(aws_conn_id=name, verify=authorities())
    return S3Storage(settings.root, hook.get_client_type(config=CONFIG.merge(hook.config)))
