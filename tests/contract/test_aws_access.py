"""AWS by the amazon provider's hook, and without Airflow: the same connection gives the same region, addresses and identity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.backends.aws.access import SessionAccess
from include.core.errors import SpecError
from include.core.settings import Settings
from include.services.services import Services
from operators.hooks import AirflowConnections
from tests.support.s3_server import moto_server

NAME, VARIABLE = "Lake of.Tests", "AIRFLOW_CONN_LAKE OF.TESTS"
ROLE = "arn:aws:iam::123456789012:role/lake"
KEYS = {"aws_access_key_id": "AKIAEXTRA", "aws_secret_access_key": "se/cret"}
SERVICES = ("sts", "sqs")
WEB = {"assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file"}
CASES: dict[str, dict[str, Any]] = {
    "much at once": {
        "login": "A", "password": "b",
        "extra": {
            "role_arn": ROLE, "assume_role_kwargs": {"ExternalId": "42"}, "region_name": "eu-west-1", "verify": False,
            "config_kwargs": {"read_timeout": 9}, "service_config": {"sqs": {"endpoint_url": "http://127.0.0.1:9"}},
        },
    },
    "login": {"login": "AKIALOGIN", "password": "se/cret", "extra": {"region_name": "eu-west-1"}},
    "half a login": {"login": "AKIALOGIN", "extra": {**KEYS, "region_name": "eu-west-1"}},
    "keys of the extra, with a token": {"extra": {**KEYS, "aws_session_token": "token", "region_name": "eu-west-1"}},
    "keys as they were written once": {"extra": {"session_kwargs": {**KEYS, "aws_session_token": "token"}}},
    "a profile": {"extra": {"profile_name": "mine"}},
    "nothing": {},
    "addresses by service": {
        "login": "A", "password": "b",
        "extra": {"region_name": "eu-west-1", "service_config": {"sqs": {"endpoint_url": "http://127.0.0.1:9"}}},
    },
    "a configuration": {
        "login": "A", "password": "b",
        "extra": {"verify": False, "config_kwargs": {"retries": {"mode": "adaptive", "max_attempts": 7}, "read_timeout": 9}},
    },
    "unsigned": {"extra": {"config_kwargs": {"signature_version": "unsigned"}, "region_name": "eu-west-1"}},
    "a role": {"login": "A", "password": "b", "extra": {"role_arn": ROLE, "assume_role_kwargs": {"ExternalId": "42"}}},
    "a role by its own name": {"extra": {"role_arn": ROLE, "assume_role_kwargs": {"RoleSessionName": "me"}}},
    "a role by a web identity": {"extra": {"role_arn": ROLE, "region_name": "eu-west-1", **WEB}},
}  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def environ(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "credentials").write_text(
        "[mine]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = c\nregion = sa-east-1\n"
    )
    (tmp_path / "token").write_text("signed")
    environ = {
        "SLIPSTREAM_AWS_CONN_ID": NAME, "AWS_ENDPOINT_URL": address, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "d", "AWS_REGION": "us-west-2",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
    }  # fmt: skip
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def both(environ: dict[str, str], given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[SessionAccess, SessionAccess]:
    text = json.dumps({"conn_type": "aws", **given, "extra": json.dumps(given.get("extra", {}))})
    monkeypatch.setenv(VARIABLE, text)
    settings = Settings.from_env({**environ, VARIABLE: text})
    hook, ours = Services(settings, AirflowConnections()).aws, Services(settings).aws
    assert isinstance(hook, SessionAccess)
    assert isinstance(ours, SessionAccess)
    return hook, ours


def described(access: SessionAccess) -> dict[str, Any]:
    """Everything by which two ways could differ."""
    clients = {service: access.client(service) for service in SERVICES}
    config = clients["sqs"].meta.config
    who = access.session.get_credentials()
    return {
        "region": access.region, "regions": {client.meta.region_name for client in clients.values()},
        "addresses": {service: client.meta.endpoint_url for service, client in clients.items()},
        "verify": clients["sqs"]._endpoint.http_session._verify, "name": access.name,
        "config": (config.retries, config.read_timeout, config.connect_timeout, str(config.signature_version)),
        "key": who.method if who.method.startswith("assume") or who.method.startswith("sts") else who.get_frozen_credentials(),
    }  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("given", CASES.values(), ids=CASES)
def test_a_connection_means_the_same_with_airflow_and_without(
    environ: dict[str, str], given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, ours = both(environ, given, monkeypatch)
    found, without = described(hook), described(ours)
    if "role_arn" in given.get("extra", {}):  # the same role by a session of its own
        found.pop("key"), without.pop("key")
        arns = [access.client("sts").get_caller_identity()["Arn"] for access in (hook, ours)]
        assert all(":assumed-role/lake/" in arn for arn in arns)
        assert WEB["assume_role_method"] in json.dumps(given) or arns[0] == arns[1]
    assert without == found


def test_what_needs_airflow_is_refused_by_name_before_anything_is_asked(environ: dict[str, str]) -> None:
    for extra, named in (
        ({"role_arn": ROLE, "assume_role_method": "assume_role_with_saml"}, "needs Airflow"),
        ({"role_arn": ROLE, **WEB, "assume_role_with_web_identity_federation": "google"}, "google"),
        ({"role_arn": ROLE, "assume_role_method": "by_magic"}, "by_magic"),
        ({"profile_name": "of nobody"}, "of nobody"),
        ({"config_kwargs": {"no_such": 1}}, "no_such"),
    ):
        text = json.dumps({"conn_type": "aws", "extra": extra})
        with pytest.raises(SpecError, match=named) as refused:
            _ = Services(Settings.from_env({**environ, VARIABLE: text})).aws
        assert NAME in str(refused.value)
