"""The way from an Airflow task to Slipstream's services: settings from the environment, secrets from connections."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from include.core.environment_aws import AWS_CONN_ID
from include.core.ports import AwsAccess
from include.core.private_files import set_mask
from include.core.settings import Settings
from include.core.storage import Storage
from include.services.services import Services
from operators.server_hooks import HOOKS, ServerHook


class AirflowConnections:
    """Airflow's own connections, by the hooks of their types: of the environment, its database, or a secrets backend."""

    def uri(self, conn_id: str) -> str | None:
        from airflow.sdk.exceptions import AirflowNotFoundException

        hook = HOOKS.get(conn_id, ServerHook)
        try:
            return hook(conn_id).get_uri()
        except AirflowNotFoundException:
            return None

    def aws(self, settings: Settings) -> AwsAccess:
        """By the amazon provider's hook: whatever the connection says of roles, regions and addresses holds."""
        del settings
        return self._aws

    @cached_property
    def _aws(self) -> AwsAccess:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        from include.backends.aws.access import SessionAccess
        from include.backends.aws.errors import reaching
        from include.core.environment_aws import AWS_DEFAULT_REGION, AWS_REGION

        name = AWS_CONN_ID.read()
        hook: AwsGenericHook[Any] = AwsGenericHook(aws_conn_id=name, client_type="sts")
        if not hook.region_name:  # boto3 itself looks for the second of these alone
            hook = AwsGenericHook(
                aws_conn_id=name, client_type="sts", region_name=AWS_REGION.read() or AWS_DEFAULT_REGION.read() or None
            )
        with reaching(f"the login of the connection {name}", safe="nothing was asked of AWS's services."):
            session = hook.get_session()
        return SessionAccess(session, hook.conn_config.get_service_endpoint_url, hook.config, hook.verify, name)

    def storage(self, settings: Settings) -> Storage:
        if not settings.root.startswith("s3://"):
            return settings.storage()
        from include.backends.s3.storage import open_storage

        return open_storage(settings.root, settings.environ, self._aws)


def open_services() -> Services:
    """The services of a task. Opened in each; cheap until used."""
    set_mask()
    return Services(Settings.from_env(), AirflowConnections(), root_must_be_own=True)
