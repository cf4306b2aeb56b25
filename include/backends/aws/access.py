"""How AWS is reached: with the Airflow connection's login if there is one, else by boto3's own chain of credentials."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from include.core import environment, environment_aws
from include.core.connection import from_env
from include.core.settings import Settings

CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=60, max_pool_connections=32)


def authorities() -> str | None:
    """The file of the authorities' certificates, where boto3 does not find it by itself."""
    return environment_aws.AWS_CA_BUNDLE.read() or environment.CA_BUNDLE.read() or None


class SessionAccess:
    """The port `include.core.ports.AwsAccess` behind a boto3 session, such as an Airflow AWS hook's.

    `address` says where a service is, where that is not AWS's own address of it; `config` and `verify` are boto3's.
    """

    def __init__(
        self,
        session: boto3.Session,
        address: Callable[[str], str | None] = lambda service: None,
        config: Config | None = None,
        verify: bool | str | None = None,
    ) -> None:
        self.session, self._address = session, address
        self._config = CONFIG.merge(config) if config else CONFIG
        self._verify = authorities() if verify is None else verify
        self._clients: dict[tuple[str, float | None], Any] = {}
        self._lock = Lock()  # a session's clients are made one at a time

    @cached_property
    def region(self) -> str:
        return self.session.region_name or ""

    def client(self, service: str, within: float | None = None) -> Any:
        with self._lock:
            if (service, within) not in self._clients:
                config = self._config if within is None else self._config.merge(_giving_up(within))
                self._clients[service, within] = self.session.client(
                    service, endpoint_url=self._address(service), config=config, verify=self._verify
                )
            return self._clients[service, within]


def _giving_up(seconds: float) -> Config:
    return Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=seconds, read_timeout=seconds)


def open_access(settings: Settings) -> SessionAccess:
    """AWS without Airflow, with the connection `AIRFLOW_CONN_<SLIPSTREAM_AWS_CONN_ID>` of the settings' environment."""
    environ = settings.environ or None
    connection = from_env(environment_aws.AWS_CONN_ID.read(environ), environ)
    extra = connection.extra if connection else {}
    session = boto3.Session(
        aws_access_key_id=(connection.login if connection else "") or extra.get("aws_access_key_id"),
        aws_secret_access_key=(connection.password if connection else "") or extra.get("aws_secret_access_key"),
        aws_session_token=extra.get("aws_session_token"),
        region_name=extra.get("region_name")
        or environment_aws.AWS_REGION.read(environ)
        or environment_aws.AWS_DEFAULT_REGION.read(environ)
        or None,
    )
    endpoint_url = extra.get("endpoint_url") or environment_aws.AWS_ENDPOINT_URL.read(environ) or None
    return SessionAccess(session, lambda service: endpoint_url)
