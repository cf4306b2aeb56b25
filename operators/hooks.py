"""The way from an Airflow task to Slipstream's services: settings from the environment, secrets from connections."""

from __future__ import annotations

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
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

        from include.backends.aws.access import SessionAccess

        hook: AwsGenericHook[Any] = AwsGenericHook(aws_conn_id=AWS_CONN_ID.read(), client_type="sts")
        return SessionAccess(hook.get_session(), hook.conn_config.get_service_endpoint_url, hook.config, hook.verify)

    def storage(self, settings: Settings) -> Storage:
        return _s3_storage(settings) if settings.root.startswith("s3://") else settings.storage()


def open_services() -> Services:
    """The services of a task. Opened in each; cheap until used."""
    set_mask()
    return Services(Settings.from_env(), AirflowConnections(), root_must_be_own=True)


def _s3_storage(settings: Settings) -> Storage:
    """S3 by the Airflow AWS connection (SLIPSTREAM_AWS_CONN_ID, default aws_default), with our time-outs and authorities.

    What the connection says itself (`config_kwargs`, `verify`) comes first.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from include.backends.s3.client import CONFIG, authorities
    from include.backends.s3.storage import S3Storage

    name = AWS_CONN_ID.read()
    hook = S3Hook(aws_conn_id=name)
    if hook.verify is None:
        hook = S3Hook(aws_conn_id=name, verify=authorities())
    return S3Storage(settings.root, hook.get_client_type(config=CONFIG.merge(hook.config)))
