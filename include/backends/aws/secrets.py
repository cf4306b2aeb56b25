"""Connections in Secrets Manager and in Systems Manager's Parameter Store, found as the amazon provider's backends find them.

Source: airflow/providers/amazon/aws/secrets/ of the locked provider. Two differences, for what is not said must not look like no
login: a store that does not answer, and a secret that cannot be decrypted, are errors here and absent there.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.access import open_connection
from include.backends.aws.connection import AwsConnection
from include.backends.aws.errors import code, is_denied, reaching
from include.core.connection import Connection
from include.core.environment_aws import SECRETS_KWARGS
from include.core.errors import PermanentError, SpecError

SAFE = "nothing was done without its login."
HINT = f"try again; if it stays so, see endpoint_url and region_name in {SECRETS_KWARGS.name}, and the way to AWS."
# "marked for deletion" is an InvalidRequestException; a name that cannot be a secret's is the other.
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException", "InvalidParameterException", "ParameterNotFound"})
_WORDS = {
    "login": ["login", "user", "username", "user_name"],
    "password": ["password", "pass", "key"],
    "host": ["host", "remote_host", "server"],
    "port": ["port"],
    "schema": ["database", "schema"],
    "conn_type": ["conn_type", "conn_id", "connection_type", "engine"],
    "extra": ["extra"],
}


class _Backend(ABC):
    """`kwargs`: of the provider's class: what is not its own is an AWS connection's extra."""

    service: str
    action: str
    default_prefix: str

    def __init__(self, kwargs: Mapping[str, Any], environ: Mapping[str, str] | None) -> None:
        given = dict(kwargs)
        self._prefix: str | None = given.pop("connections_prefix", self.default_prefix)
        self._pattern: str | None = given.pop("connections_lookup_pattern", None)
        self._sep: str = given.pop("sep", "/")
        self._extra_words: Mapping[str, list[str]] = given.pop("extra_conn_words", None) or {}
        self._login = AwsConnection(f"{type(self).__name__}__connection", Connection(extra=given))
        self._environ = environ

    @cached_property
    def client(self) -> Any:
        return open_connection(self._login, self._environ).client(self.service)

    def connection(self, conn_id: str) -> str | None:
        if self._prefix is None or (self._pattern and not re.match(self._pattern, conn_id, re.IGNORECASE)):
            return None
        name = self.path(self._prefix, conn_id)
        try:
            with reaching(f"the connection {conn_id} (the secret {name})", safe=SAFE, hint=HINT):
                try:
                    return self.text(self.read(name), name)
                except ClientError as error:
                    if code(error) in _ABSENT:
                        return None
                    raise
        except PermanentError as error:
            if error.__cause__ is not None and is_denied(error.__cause__):
                raise _denied(error, self.action, name) from error
            raise

    @abstractmethod
    def path(self, prefix: str, conn_id: str) -> str:
        """The name of a connection's secret."""

    @abstractmethod
    def read(self, name: str) -> str | None:
        """A secret's text. Raises botocore's errors."""

    def text(self, secret: str | None, name: str) -> str | None:
        del name
        return secret


class SecretsManagerBackend(_Backend):
    service, action, default_prefix = "secretsmanager", "secretsmanager:GetSecretValue", "airflow/connections"

    def path(self, prefix: str, conn_id: str) -> str:
        return f"{prefix.rstrip(self._sep)}{self._sep}{conn_id}" if prefix else conn_id

    def read(self, name: str) -> str | None:
        found: str | None = self.client.get_secret_value(SecretId=name).get("SecretString")
        return found

    def text(self, secret: str | None, name: str) -> str | None:
        """A secret of several fields has them by many names."""
        if secret is None or not secret.strip().startswith("{"):
            return secret
        words = {field: [*known, *self._extra_words.get(field, ())] for field, known in _WORDS.items()}
        words["login"] += self._extra_words.get("user", ())
        try:
            fields: Mapping[str, Any] = json.loads(secret)
        except ValueError:
            raise SpecError(
                f"The secret {name} is no JSON object.",
                safe=SAFE,
                hint="write it as a connection's URI or JSON (Airflow's docs).",
            ) from None
        return json.dumps({
            field: next((value for key, value in fields.items() if key in known), None) for field, known in words.items()
        })  # fmt: skip


class SystemsManagerParameterStoreBackend(_Backend):
    service, action, default_prefix = "ssm", "ssm:GetParameter", "/airflow/connections"

    def path(self, prefix: str, conn_id: str) -> str:
        name = f"{prefix.rstrip('/')}/{conn_id}"
        return name if name.startswith("/") else f"/{name}"

    def read(self, name: str) -> str | None:
        found: str = self.client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        return found


def open_secrets_manager(kwargs: str, environ: Mapping[str, str] | None = None) -> SecretsManagerBackend:
    """`kwargs`: the text of AIRFLOW__SECRETS__BACKEND_KWARGS. Raises SpecError for what cannot be read."""
    return SecretsManagerBackend(_read(kwargs), environ)


def open_parameter_store(kwargs: str, environ: Mapping[str, str] | None = None) -> SystemsManagerParameterStoreBackend:
    """The same for Parameter Store."""
    return SystemsManagerParameterStoreBackend(_read(kwargs), environ)


def _read(kwargs: str) -> Mapping[str, Any]:
    """Raises SpecError, which does not show the text: it may hold a key."""
    try:
        given = json.loads(kwargs) if kwargs.strip() else {}
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise SpecError(
            f"{SECRETS_KWARGS.name} is no JSON object.", safe=SAFE,
            hint='write it as Airflow takes it: {"connections_prefix": "airflow/connections", "region_name": "eu-west-1"}.',
        )  # fmt: skip
    return given


def _denied(error: PermanentError, action: str, name: str) -> PermanentError:
    return PermanentError(
        error.what, safe=SAFE,
        hint=f"allow {action} on {name} (and kms:Decrypt on its key), put the connection into the environment, or let "
        f"connections_lookup_pattern of {SECRETS_KWARGS.name} leave its id out.",
    )  # fmt: skip
