"""How S3 is reached: the Airflow AWS connection if there is one, else boto3's own chain of credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from include.core import environment, environment_aws
from include.core.connection import from_env

CONFIG = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=60, max_pool_connections=32)


def client_from_session(session: Any, endpoint_url: str | None = None) -> Any:
    """An S3 client of a boto3 session, such as an Airflow AWS hook's `get_session()`."""
    return session.client("s3", endpoint_url=endpoint_url, config=CONFIG, verify=authorities())


def authorities() -> str | None:
    """The file of the authorities' certificates, where boto3 does not find it by itself."""
    return environment_aws.AWS_CA_BUNDLE.read() or environment.CA_BUNDLE.read() or None


def client_from_env(environ: Mapping[str, str] | None = None) -> Any:
    """An S3 client without Airflow, from the same connection: `AIRFLOW_CONN_<SLIPSTREAM_AWS_CONN_ID>`.

    As the amazon provider reads it: login and password (or extra `aws_access_key_id` and
    `aws_secret_access_key`), extra `aws_session_token`, `region_name`, `endpoint_url`. What it leaves out, and
    the address in AWS_ENDPOINT_URL, boto3 takes from the environment.
    """
    connection = from_env(environment_aws.AWS_CONN_ID.read(environ), environ)
    extra = connection.extra if connection else {}
    session = boto3.Session(
        aws_access_key_id=(connection.login if connection else "") or extra.get("aws_access_key_id"),
        aws_secret_access_key=(connection.password if connection else "") or extra.get("aws_secret_access_key"),
        aws_session_token=extra.get("aws_session_token"),
        region_name=extra.get("region_name") or _region(environ),
    )
    return client_from_session(session, extra.get("endpoint_url") or environment_aws.AWS_ENDPOINT_URL.read(environ) or None)


def _region(environ: Mapping[str, str] | None) -> str | None:
    return environment_aws.AWS_REGION.read(environ) or environment_aws.AWS_DEFAULT_REGION.read(environ) or None
