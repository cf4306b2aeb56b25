"""How S3 is reached: the Airflow AWS connection if there is one, else boto3's own chain of credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from include.core.connection import from_env
from include.core.tls import BUNDLE

CONNECTION_SETTING = "SLIPSTREAM_AWS_CONN_ID"
CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=60, max_pool_connections=32)


def client_from_session(session: Any, endpoint_url: str | None = None) -> Any:
    """An S3 client of a boto3 session, such as an Airflow AWS hook's `get_session()`."""
    return session.client("s3", endpoint_url=endpoint_url, config=CONFIG, verify=authorities())


def authorities() -> str | None:
    """The file of the authorities' certificates, where boto3 does not find it by itself."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get(BUNDLE) or None


def client_from_env(environ: Mapping[str, str] | None = None) -> Any:
    """An S3 client without Airflow, from the same connection: `AIRFLOW_CONN_<SLIPSTREAM_AWS_CONN_ID>`.

    As the amazon provider reads it: login and password (or extra `aws_access_key_id` and
    `aws_secret_access_key`), extra `aws_session_token`, `region_name`, `endpoint_url`. What it leaves out, and
    the address in AWS_ENDPOINT_URL, boto3 takes from the environment.
    """
    env = os.environ if environ is None else environ
    connection = from_env(env.get(CONNECTION_SETTING, "aws_default"), env)
    extra = connection.extra if connection else {}
    session = boto3.Session(
        aws_access_key_id=(connection.login if connection else "") or extra.get("aws_access_key_id"),
        aws_secret_access_key=(connection.password if connection else "") or extra.get("aws_secret_access_key"),
        aws_session_token=extra.get("aws_session_token"),
        region_name=extra.get("region_name") or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION"),
    )
    return client_from_session(session, extra.get("endpoint_url") or env.get("AWS_ENDPOINT_URL"))
