"""Where the logins of servers come from: the one thing that a task, a command and a server open differently."""

from __future__ import annotations

from typing import Protocol

from include.core.ports import AwsAccess, open_aws
from include.core.settings import Settings
from include.core.storage import Storage


class Connections(Protocol):
    """Airflow's connections in a task; the environment everywhere else."""

    def uri(self, conn_id: str) -> str | None:
        """The connection as a URI, login included; None where the settings' own environment has all there is."""

    def aws(self, settings: Settings) -> AwsAccess:
        """AWS with the login of the connection that SLIPSTREAM_AWS_CONN_ID names."""

    def storage(self, settings: Settings) -> Storage:
        """The storage at `settings.root`, opened with its login. Raises SpecError for an unknown scheme."""


class EnvironmentConnections:
    """AIRFLOW_CONN_* as the settings were read with: those of this process, and those of `connections.env` for a command."""

    def uri(self, conn_id: str) -> str | None:
        del conn_id
        return None

    def aws(self, settings: Settings) -> AwsAccess:
        return open_aws(settings)

    def storage(self, settings: Settings) -> Storage:
        return settings.storage()
