"""The way from an Airflow task to Slipstream's services: settings from the environment, secrets from connections."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from include.core.adapters import adapter
from include.core.catalog import load_spec
from include.core.digest import PROJECT
from include.core.housekeeping import housekeeping
from include.core.ledger import Attempt, Ledger
from include.core.ports import Job, JobBackend
from include.core.private_files import set_mask
from include.core.scratch import sweep_scratch
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import Storage

if TYPE_CHECKING:
    from include.core.control import ControlStore
    from include.serving.client import GatewayClient
    from include.versions.record import VersionRecord

# What a job must know to find its inputs and to show its metrics. No step of a job writes to the control store or to the
# online one, so it is not given their addresses, which hold passwords: a job backend shows what it is handed.
FORWARDED = ("HOME", "ROOT", "MLFLOW_URL", "RAY_URL", "MODELS", "JOB_BACKEND", "REGISTRY")


@dataclass(frozen=True)
class Services:
    """Everything a task may talk to. Opened in each task; cheap until used."""

    settings: Settings

    @cached_property
    def storage(self) -> Storage:
        if self.settings.root.startswith("s3://"):
            return _s3_storage(self.settings)
        return self.settings.storage()

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.storage)

    @cached_property
    def control(self) -> ControlStore:
        from include.core.control import ControlStore  # SQLAlchemy: not while DAG files are parsed

        store = ControlStore(self.settings.control_url)
        store.create_tables()
        return store

    def sweep(self, key: str = "", generation: int = 0) -> None:
        """Remove what killed tasks left on this machine's scratch; and of a key's attempts, in the ledger."""
        with housekeeping("scratch of killed tasks"):
            sweep_scratch(self.settings.scratch())
        if key:
            self.ledger.sweep(key, generation)

    def jobs(self, backend: str = "") -> JobBackend:
        settings = self.with_connection("slipstream_ray")
        return adapter(f"jobs.{backend or settings.job_backend}")(settings)  # type: ignore[no-any-return]

    def registry(self) -> Any:
        return adapter(f"registry.{self.settings.registry}")(self.with_connection("slipstream_mlflow"), self.control)

    def labels(self) -> Any:
        """What shows stages in the registry: without importing it."""
        return adapter(f"labels.{self.settings.registry}")(self.with_connection("slipstream_mlflow"), self.control)

    def online(self) -> Any:
        return adapter("online")(self.settings.online_url)

    def gateway(self) -> GatewayClient:
        from include.serving.client import open_client

        return open_client(self.with_connection("slipstream_gateway"))

    def champion(self, model: str) -> VersionRecord | None:
        """The version in production."""
        from include.versions import queries as versions

        return versions.champion(versions.records(self.control, model))

    def spec(self, model: str) -> ModelSpec:
        return load_spec(model, self.settings.models)

    def with_connection(self, conn_id: str) -> Settings:
        """Settings whose environment holds that Airflow connection's URI."""
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if variable in os.environ:  # an environment connection is itself that URI
            return self.settings
        uri = _connection_uri(conn_id)
        environ = {**self.settings.environ, **({variable: uri} if uri else {})}
        return replace(self.settings, environ=environ)


def open_services() -> Services:
    set_mask()
    return Services(Settings.from_env())


def job_of(attempt: Attempt, services: Services, model: str, step: str) -> Job:
    """The job that computes an attempt's request: the same command whatever the backend."""
    settings = services.settings
    env = {f"SLIPSTREAM_{name}": str(getattr(settings, name.lower())) for name in FORWARDED}
    command = (sys.executable, "-m", "include.core.task", attempt.key,
               "--generation", str(attempt.generation), "--attempt", str(attempt.number))  # fmt: skip
    return Job(attempt.job, command, {**env, "PYTHONPATH": str(PROJECT)}, {"model": model, "step": step})


def _connection_uri(conn_id: str) -> str | None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return str(BaseHook.get_connection(conn_id).get_uri())
    except AirflowNotFoundException:
        return None


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
