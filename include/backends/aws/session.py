"""A boto3 session of a connection: its login as it is, a role that is taken on and renewed, or one that is read anew.

boto3 has no public way to give a session credentials that renew themselves: they are set as the amazon provider sets them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
    FileWebIdentityTokenLoader,
)
from botocore.exceptions import ProfileNotFound

from include.backends.aws.config import CONFIG, authorities, elsewhere
from include.backends.aws.connection import WEB_IDENTITY, AwsConnection
from include.backends.aws.errors import reaching
from include.backends.aws.noted import note_connection
from include.core.environment_aws import AWS_DEFAULT_REGION, AWS_REGION, AWS_WEB_IDENTITY_TOKEN_FILE
from include.core.errors import SpecError, UnreachableError
from include.core.time import now

Metadata = dict[str, Any]
_EARLY = timedelta(minutes=15)  # botocore begins to ask for new credentials so long before their end


def region_of(connection: AwsConnection, environ: Mapping[str, str] | None = None) -> str | None:
    """The connection's, else the environment's; None: boto3 looks further."""
    return connection.region or AWS_REGION.read(environ) or AWS_DEFAULT_REGION.read(environ) or None


def open_session(
    connection: AwsConnection, environ: Mapping[str, str] | None = None, again: Callable[[], AwsConnection] | None = None,
    seconds: float = 0.0,
) -> boto3.Session:  # fmt: skip
    """Asks nothing of AWS yet. `again`: reads the connection anew where its login may change while the process runs, every so
    many `seconds`. Raises SpecError for a connection that cannot be used."""
    basic = _basic(connection, environ)
    current = _Latest(connection, again or (lambda: connection))
    if connection.role:
        method = connection.role_method  # what it refuses is refused now
        return _renewing(basic, lambda: _of_role(current(), environ), method.replace("_", "-"))
    if again is not None and "aws_access_key_id" in connection.session_kwargs:
        return _renewing(basic, lambda: _of_keys(current(), timedelta(seconds=seconds)), "airflow-connection")
    return basic


def _basic(connection: AwsConnection, environ: Mapping[str, str] | None) -> boto3.Session:
    try:
        return boto3.Session(**connection.session_kwargs, region_name=region_of(connection, environ))
    except ProfileNotFound as error:
        raise connection.unusable(f"{error}, of its profile_name") from error


def _renewing(basic: boto3.Session, fetch: Callable[[], Metadata], method: str) -> boto3.Session:
    session = botocore.session.get_session()
    session._credentials = DeferredRefreshableCredentials(refresh_using=fetch, method=method, time_fetcher=now)
    return boto3.Session(botocore_session=session, region_name=basic.region_name)


def _of_role(connection: AwsConnection, environ: Mapping[str, str] | None) -> Metadata:
    """A session of the role. Raises SpecError where it cannot be taken on, UnreachableError where nobody answers."""
    basic = _basic(connection, environ)

    def sts(service: str = "sts", config: Config | None = None, **more: Any) -> Any:
        client = basic.client(
            service, config=_config(connection, config), verify=authorities() if connection.verify is None else connection.verify,
            endpoint_url=connection.address_for_roles or elsewhere(environ), **more,
        )  # fmt: skip
        note_connection(client, connection.name)
        return client

    what = f"the role {connection.role} of the connection {connection.name}"
    with reaching(what, safe="nothing was lost: what was done before is kept."):
        if connection.role_method == WEB_IDENTITY:
            return _of_web_identity(connection, environ, sts)
        answer = sts().assume_role(RoleArn=connection.role, **connection.role_kwargs)
    found = answer["Credentials"]
    return {
        "access_key": found["AccessKeyId"], "secret_key": found["SecretAccessKey"], "token": found["SessionToken"],
        "expiry_time": found["Expiration"].isoformat(),
    }  # fmt: skip


def _of_web_identity(connection: AwsConnection, environ: Mapping[str, str] | None, sts: Callable[..., Any]) -> Metadata:
    path = connection.token_file or AWS_WEB_IDENTITY_TOKEN_FILE.read(environ)
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=sts, web_identity_token_loader=FileWebIdentityTokenLoader(path), role_arn=connection.role,
        extra_args=connection.role_kwargs,
    )  # fmt: skip
    try:
        metadata: Metadata = fetcher.fetch_credentials()
    except OSError as error:
        raise SpecError(
            f"The file with the token of the connection {connection.name} cannot be read: {error.strerror}.", seen=path,
            safe="nothing was asked of AWS.",
            hint=f"set assume_role_with_web_identity_token_file, or {AWS_WEB_IDENTITY_TOKEN_FILE.name}, to where it is.",
        ) from error  # fmt: skip
    return metadata


def _config(connection: AwsConnection, more: Config | None) -> Config:
    config = CONFIG.merge(connection.config) if connection.config else CONFIG
    return config.merge(more) if more else config


class _Latest:
    """The connection as its secret says it now; as it was read last while nobody answers: AWS says so if it is no longer good."""

    def __init__(self, connection: AwsConnection, again: Callable[[], AwsConnection]) -> None:
        self._known, self._again = connection, again

    def __call__(self) -> AwsConnection:
        with suppress(UnreachableError):
            self._known = self._again()
        return self._known


def _of_keys(connection: AwsConnection, every: timedelta) -> Metadata:
    """Its own keys, as if they ended when they are to be read again."""
    keys = connection.session_kwargs
    return {
        "access_key": keys.get("aws_access_key_id"), "secret_key": keys.get("aws_secret_access_key"),
        "token": keys.get("aws_session_token"), "expiry_time": (now() + _EARLY + every).isoformat(),
    }  # fmt: skip
