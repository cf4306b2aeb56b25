"""Airflow hooks of the servers that Slipstream talks to: each is a connection type, which the Connections page shows and tests.

    token = GatewayHook().get_conn().password

Airflow learns of the types from the provider's metadata: operators/provider_info.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseHook

from include.core.connection import Connection, parse
from include.core.environment import connection
from include.core.environment_aws import SECRETS_BACKEND
from include.core.errors import SpecError
from include.core.settings import Settings
from include.services.server_login import SERVERS, Server, ask


class ServerHook(BaseHook):
    """One server of ours, by the name of its connection. Its address is the connection's; without one, the setting's."""

    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]

    def __init__(self, conn_id: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.conn_id = conn_id or self.default_conn_name

    def get_uri(self) -> str:
        """The connection with its login, as Airflow writes it. Raises AirflowNotFoundException where there is none."""
        given = connection(self.conn_id).read()
        if given and not SECRETS_BACKEND.read():  # an environment connection is itself that URI; a backend would come before it
            return given
        return str(self.get_connection(self.conn_id).get_uri())

    def get_conn(self) -> Connection:
        """Address, login, password and extra. Raises AirflowNotFoundException; SpecError where it cannot be read."""
        return parse(self.get_uri())

    @property
    def server(self) -> Server:
        return SERVERS[self.conn_type]

    def test_connection(self) -> tuple[bool, str]:
        """Whether the server answers and takes the login, and that in words: the Connections page shows them."""
        try:
            given = self.get_conn()
        except SpecError as error:
            return False, error.what
        asked = ask(self.server, given.url or self._address, given)
        hint = "" if asked.accepted else f" Next: {self._hint(asked.reached)}"
        return asked.accepted, asked.words + hint

    def _hint(self, reached: bool) -> str:
        if reached:
            return "give the login and password (or the token, as the password) that the server was set up with."
        return f"start it, or give its host and port; without a host, {self.server.address.name} says where it is."

    @property
    def _address(self) -> str:
        return str(getattr(Settings.from_env(), f"{self.conn_type.removeprefix('slipstream_')}_url"))


class GatewayHook(ServerHook):
    """The gateway; its token is the password."""

    default_conn_name = conn_type = "slipstream_gateway"
    hook_name = "Slipstream gateway"


class MlflowHook(ServerHook):
    """MLflow's tracking server and registry."""

    default_conn_name = conn_type = "slipstream_mlflow"
    hook_name = "Slipstream MLflow"


class RayHook(ServerHook):
    """The Jobs API of the Ray cluster; its token is the password."""

    default_conn_name = conn_type = "slipstream_ray"
    hook_name = "Slipstream Ray"


class AirflowHook(ServerHook):
    """Airflow's own REST API, for what has to ask it from outside a task."""

    default_conn_name = conn_type = "slipstream_airflow"
    hook_name = "Slipstream Airflow"


HOOKS: dict[str, type[ServerHook]] = {hook.conn_type: hook for hook in (GatewayHook, MlflowHook, RayHook, AirflowHook)}
