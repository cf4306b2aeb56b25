"""Where logins come from outside Airflow: the environment that the settings were read from."""

from __future__ import annotations

from pathlib import Path

from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.services.connections import EnvironmentConnections
from include.services.services import Services


def test_the_environment_opens_storage_and_aws_with_the_settings_own_login(tmp_path: Path) -> None:
    uri = "aws://of-the-settings:secret@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A9"
    services = Services(Settings.from_env({"SLIPSTREAM_ROOT": str(tmp_path), "AIRFLOW_CONN_AWS_DEFAULT": uri}))
    assert isinstance(services.connections, EnvironmentConnections)
    assert isinstance(services.storage, LocalStorage)
    assert services.aws is services.aws
    assert services.aws.region == "eu-west-1"
    assert services.aws.client("sqs")._request_signer._credentials.access_key == "of-the-settings"
    assert services.connections.uri("aws_default") is None  # it is in the settings already
