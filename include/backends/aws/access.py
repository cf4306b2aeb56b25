"""How AWS is reached: with the Airflow connection's login if there is one, else by boto3's own chain of credentials.

In a task the amazon provider's hook opens the session (operators/hooks.py), anywhere else we do, from the same connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from include.backends.aws.config import CONFIG, authorities, elsewhere
from include.backends.aws.connection import AwsConnection
from include.backends.aws.errors import reaching
from include.backends.aws.noted import note_connection
from include.backends.aws.session import open_session
from include.core import environment_aws, secret_store
from include.core.connection import Connection, from_env, text_of
from include.core.environment import connection
from include.core.settings import Settings


class SessionAccess:
    """The port `include.core.ports.AwsAccess` behind a boto3 session, such as an Airflow AWS hook's.

    `address` says where a service is, where that is not AWS's own address of it; `config` and `verify` are boto3's and come
    before ours; `name` is the connection's, which errors name.
    """

    def __init__(
        self,
        session: boto3.Session,
        address: Callable[[str], str | None] = lambda service: None,
        config: Config | None = None,
        verify: bool | str | None = None,
        name: str = environment_aws.AWS_CONN_ID.default,
    ) -> None:
        self.session, self.name, self._address = session, name, address
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
                with reaching(f"a client of {service}"):
                    client = self.session.client(service, endpoint_url=self._address(service), config=config, verify=self._verify)
                note_connection(client, self.name)
                self._clients[service, within] = client
            return self._clients[service, within]


def _giving_up(seconds: float) -> Config:
    return Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=seconds, read_timeout=seconds)


def open_access(settings: Settings) -> SessionAccess:
    """AWS without Airflow, with the connection that SLIPSTREAM_AWS_CONN_ID names in the settings' environment."""
    return access_of(settings.environ or None)


def access_of(environ: Mapping[str, str] | None = None) -> SessionAccess:
    """The same by an environment, by default this process's."""
    name = environment_aws.AWS_CONN_ID.read(environ)

    def read() -> AwsConnection:
        return AwsConnection(name, from_env(name, environ) or Connection())

    found, store = read(), secret_store.opened(environ)
    if store is None or text_of(name, environ) == connection(name).read(environ):  # it stands in the environment, which stays
        return open_connection(found, environ)
    return open_connection(found, environ, read, store.seconds)


def open_connection(
    given: AwsConnection, environ: Mapping[str, str] | None = None, again: Callable[[], AwsConnection] | None = None,
    seconds: float = 0.0,
) -> SessionAccess:  # fmt: skip
    """`again`: reads it anew, every so many `seconds`. Raises SpecError for one that cannot be used outside Airflow."""
    session = open_session(given, environ, again, seconds)

    def address(service: str) -> str | None:
        return given.address(service) or elsewhere(environ)

    return SessionAccess(session, address, given.config, given.verify, given.name)
