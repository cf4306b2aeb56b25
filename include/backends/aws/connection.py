"""What an Airflow connection of AWS says, read without Airflow as the amazon provider reads it.

Source: airflow/providers/amazon/aws/utils/connection_wrapper.py of the locked provider; tests/contract/test_aws_access.py opens
the same connections both ways. What only Airflow can do (a SAML login, Google's tokens) is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config

from include.core.connection import Connection
from include.core.errors import SpecError

ROLE, WEB_IDENTITY, SAML = "assume_role", "assume_role_with_web_identity", "assume_role_with_saml"
_KEYS = ("aws_access_key_id", "aws_secret_access_key")


@dataclass(frozen=True)
class AwsConnection:
    """`name`: the connection's id. The rest is computed when it is asked for, and raises SpecError where it cannot be used."""

    name: str
    given: Connection

    @property
    def extra(self) -> Mapping[str, Any]:
        return self.given.extra

    @property
    def session_kwargs(self) -> dict[str, str]:
        """Of `boto3.Session`: the keys, the session's token, the profile. Login and password come first, then the extra's own
        keys, then those in its `session_kwargs`."""
        older: Mapping[str, Any] = self.extra.get("session_kwargs") or {}
        pair = [self.extra.get(name) for name in _KEYS]
        if self.given.login and self.given.password:
            pair = [self.given.login, self.given.password]
        elif not all(pair) and all(older.get(name) for name in _KEYS):
            pair = [older[name] for name in _KEYS]
        token, profile = self.extra.get("aws_session_token") or older.get("aws_session_token"), self.extra.get("profile_name")
        found = {**dict(zip(_KEYS, pair, strict=True)), "aws_session_token": token, "profile_name": profile}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def region(self) -> str:
        """Empty where it does not say."""
        return self.extra.get("region_name") or ""

    @property
    def config(self) -> Config | None:
        given = self.extra.get("config_kwargs")
        if not given:
            return None
        signed = {"signature_version": UNSIGNED} if given.get("signature_version") == "unsigned" else {}
        try:
            return Config(**{**given, **signed})
        except TypeError as error:
            raise self.unusable(f"its config_kwargs are not botocore's: {error}") from error

    @property
    def verify(self) -> bool | str | None:
        verify: bool | str | None = self.extra.get("verify")
        return verify

    def address(self, service: str) -> str | None:
        """Where a service is; None for AWS's own address of it."""
        own: str | None = self._of_service(service).get("endpoint_url", self.extra.get("endpoint_url"))
        return own or None

    @property
    def address_for_roles(self) -> str | None:
        """Where roles are asked for: never at the connection's one address for all services."""
        return self._of_service("sts").get("endpoint_url") or None

    def _of_service(self, service: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.extra.get("service_config") or {}).get(service, {})
        return found

    # -- the role ------------------------------------------------------------------------------------

    @property
    def role(self) -> str:
        """Its ARN; empty where the login is used as it is."""
        return self.extra.get("role_arn") or ""

    @property
    def role_method(self) -> str:
        """`assume_role` or `assume_role_with_web_identity`."""
        method: str = self.extra.get("assume_role_method", ROLE)
        if method == SAML:
            raise self.unusable(f"its {SAML} needs Airflow: only a task can log in so")
        if method not in (ROLE, WEB_IDENTITY):
            raise self.unusable(f"its assume_role_method is unknown: {method!r}")
        federation = self.extra.get("assume_role_with_web_identity_federation")
        if method == WEB_IDENTITY and federation != "file":
            raise self.unusable(f"its tokens are to come from {federation!r}: outside Airflow they come from a `file` alone")
        return method

    @property
    def role_kwargs(self) -> dict[str, Any]:
        """Of the request for the role, such as `ExternalId`; an assumed session is called as Airflow calls it."""
        given = dict(self.extra.get("assume_role_kwargs") or {})
        if self.role_method == ROLE:
            given.setdefault("RoleSessionName", re.sub(r"[^\w+=,.@-]+", "-", f"airflow_{self.name}".lower()).strip("-"))
        return given

    @property
    def token_file(self) -> str:
        """Of a web identity; empty where it does not say."""
        return self.extra.get("assume_role_with_web_identity_token_file") or ""

    def unusable(self, why: str) -> SpecError:
        return SpecError(
            f"The Airflow connection {self.name} cannot be used outside Airflow: {why}.",
            safe="nothing was asked of AWS.",
            hint=f"correct the extra of {self.name}, or name another connection in SLIPSTREAM_AWS_CONN_ID for this process.",
        )
