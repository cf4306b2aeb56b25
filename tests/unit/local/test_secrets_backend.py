"""A platform whose shell names a secrets backend: what is kept there is not put into the processes' environments."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest

from include.local.components import COMPONENTS
from include.local.credentials import Credentials
from include.local.platform import Platform
from tests.support.s3_server import CREDENTIALS, moto_server

BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
GATEWAY, MLFLOW = "AIRFLOW_CONN_SLIPSTREAM_GATEWAY", "AIRFLOW_CONN_SLIPSTREAM_MLFLOW"


def test_a_connection_that_the_backend_has_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        secrets = boto3.client("secretsmanager", endpoint_url=address, **CREDENTIALS)
        secrets.create_secret(Name="ours/slipstream_gateway", SecretString="slipstream-gateway://:kept@127.0.0.1:1")
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", BACKEND)
        given = {"connections_prefix": "ours", "endpoint_url": address, **CREDENTIALS}
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(given))
        platform = Platform(tmp_path)
        credentials = Credentials.load(platform.home)
        found = {each.name: each.environment(platform, credentials) for each in COMPONENTS}
    asks = {name for name, env in found.items() if "AIRFLOW__SECRETS__BACKEND" in env}
    assert asks == {"scheduler", "api-server", "triggerer", "gateway"}
    assert [name for name, env in found.items() if GATEWAY in env] == []
    assert {name for name, env in found.items() if MLFLOW in env} == {"scheduler", "ray"}  # the backend has none
