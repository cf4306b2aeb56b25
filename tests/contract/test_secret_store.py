"""Connections in Secrets Manager and Parameter Store: what the amazon provider's backends find, ours find without Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from include.backends.aws.secrets import open_parameter_store, open_secrets_manager
from include.backends.process.jobs import ProcessJobs
from include.cli.checkup.settings import check_secrets
from include.core.connection import from_env, parse
from include.core.errors import PermanentError, SpecError, UnreachableError
from include.core.ports import Job
from include.core.settings import Settings
from include.services.connections import EnvironmentConnections
from include.services.services import Services
from tests.support.s3_server import CREDENTIALS, moto_server

MODULE = "airflow.providers.amazon.aws.secrets"
MANAGER = f"{MODULE}.secrets_manager.SecretsManagerBackend"
PARAMETERS = f"{MODULE}.systems_manager.SystemsManagerParameterStoreBackend"
FIELDS = {"user": "ann", "pass": "p/w", "server": "h", "port": 5, "engine": "http", "extra": {"a": "1"}, "colour": "red"}


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Clients of the two services, and the arguments that reach them."""
    with moto_server() as address:
        manager, parameters = (boto3.client(name, endpoint_url=address, **CREDENTIALS) for name in ("secretsmanager", "ssm"))
        manager.create_secret(Name="airflow/connections/plain", SecretString="http://a:b%2Fc@h:1/?x=y")
        manager.create_secret(Name="own-fields", SecretString=json.dumps(FIELDS))
        manager.create_secret(Name="airflow/connections/binary", SecretBinary=b"1")
        parameters.put_parameter(Name="/airflow/connections/plain", Value="http://a:b@h", Type="SecureString")
        parameters.put_parameter(Name="/own/json", Value=json.dumps({"conn_type": "http", "host": "h"}), Type="SecureString")
        yield manager, parameters, {"endpoint_url": address, **CREDENTIALS}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (MANAGER, {}, ["plain", "none", "binary"]),
    (MANAGER, {"connections_prefix": "airflow/connections/", "connections_lookup_pattern": "^SLIP"}, ["plain", "slipstream_x"]),
    (MANAGER, {"connections_prefix": "own", "sep": "-"}, ["fields", "none"]),
    (MANAGER, {"connections_prefix": "", "extra_conn_words": {"user": ["colour"], "schema": ["colour"]}}, ["own-fields"]),
    (MANAGER, {"connections_prefix": None, "full_url_mode": False}, ["plain"]),
    (PARAMETERS, {}, ["plain", "none"]),
    (PARAMETERS, {"connections_prefix": "own/"}, ["json"]),
    (PARAMETERS, {"connections_prefix": None}, ["plain"]),
]


def test_the_same_connections_are_found_as_by_airflows_backends(store: tuple[Any, Any, dict[str, Any]]) -> None:
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
    from airflow.providers.amazon.aws.secrets.systems_manager import SystemsManagerParameterStoreBackend

    found, clients = [], dict[str, Any]()
    for name, kwargs, ids in CASES:
        theirs: Any = (SecretsManagerBackend if name == MANAGER else SystemsManagerParameterStoreBackend)(**kwargs, **store[2])
        ours = (open_secrets_manager if name == MANAGER else open_parameter_store)(json.dumps({**kwargs, **store[2]}))
        if name not in clients:  # made once: they differ in nothing that the cases say
            clients[name] = theirs.client, ours.client
        theirs.client, ours.client = clients[name]
        for conn_id in ids:
            found.append(ours.connection(conn_id))
            assert found[-1] == theirs.get_conn_value(conn_id), (kwargs, conn_id)
    assert [text is not None for text in found] == [bool(each) for each in map(int, "1000010101010")]
    whole = parse(found[5] or "")
    assert (whole.url, whole.login, whole.password, whole.extra) == ("http://h:5", "ann", "p/w", {"a": "1"})


def test_a_process_without_airflow_sees_a_rotated_secret(store: tuple[Any, Any, dict[str, Any]]) -> None:
    environ = {"AIRFLOW__SECRETS__BACKEND": MANAGER, "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(store[2])}
    environ["SLIPSTREAM_SECRETS_SECONDS"] = "0"
    assert from_env("slipstream_gateway", environ) is None
    (found,) = check_secrets(Settings.from_env(environ))
    assert "SecretsManagerBackend answers, and has no connection slipstream_gateway" in found.words
    store[0].create_secret(Name="airflow/connections/slipstream_gateway", SecretString="http://:first@h")
    for token in ("first", "second"):
        store[0].update_secret(SecretId="airflow/connections/slipstream_gateway", SecretString=f"http://:{token}@h")
        connection = from_env("slipstream_gateway", environ)
        assert connection is not None
        assert connection.password == token


def named(extra: dict[str, Any], seconds: int, **more: str) -> dict[str, str]:
    kwargs = {"connections_prefix": "of-jobs", **extra}
    backend = {"AIRFLOW__SECRETS__BACKEND": MANAGER, "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs)}
    return {**backend, "SLIPSTREAM_SECRETS_SECONDS": str(seconds), **more}


def test_jobs_are_given_what_the_backend_has_and_do_not_ask_it(store: tuple[Any, Any, dict[str, Any]], tmp_path: Path) -> None:
    manager, _, extra = store
    manager.create_secret(Name="of-jobs/slipstream_mlflow_jobs", SecretString="http://jobs:of-jobs@h")
    manager.create_secret(Name="of-jobs/slipstream_mlflow", SecretString="http://registry:of-tasks@h")
    manager.create_secret(Name="of-jobs/lake", SecretString="aws://AKIA1:c@/?region_name=eu-west-1")
    environ = named(extra, 60, SLIPSTREAM_HOME=str(tmp_path), SLIPSTREAM_ROOT="s3://b", SLIPSTREAM_AWS_CONN_ID="lake")
    jobs = Services(Settings.from_env(environ)).jobs("process")
    assert isinstance(jobs, ProcessJobs)
    env = jobs._env(Job("x", "y"))
    assert env["AIRFLOW_CONN_SLIPSTREAM_MLFLOW"] == "http://jobs:of-jobs@h"
    assert env["AIRFLOW_CONN_AWS_DEFAULT"].startswith("aws://AKIA1")
    assert env["SLIPSTREAM_AWS_CONN_ID"] == "aws_default"
    assert not [name for name, value in env.items() if name.startswith("AIRFLOW__SECRETS") or "of-tasks" in value]


def test_keys_of_aws_in_a_rotated_secret_are_taken_up_by_clients_that_are_open(store: tuple[Any, Any, dict[str, Any]]) -> None:
    manager, _, extra = store
    manager.create_secret(Name="of-jobs/rotated", SecretString="aws://AKIA1:c@/?region_name=eu-west-1")
    access = Services(Settings.from_env(named(extra, 0, SLIPSTREAM_AWS_CONN_ID="rotated"))).aws
    credentials = access.client("sts")._request_signer._credentials
    assert credentials.get_frozen_credentials().access_key == "AKIA1"
    manager.update_secret(SecretId="of-jobs/rotated", SecretString="aws://AKIA2:c@/?region_name=eu-west-1")
    credentials._expiry_time -= timedelta(seconds=1)  # the cache's time, and the early refresh of botocore
    assert credentials.get_frozen_credentials().access_key == "AKIA2"


def test_what_a_task_was_handed_is_not_asked_for_again(store: tuple[Any, Any, dict[str, Any]]) -> None:
    class Handed(EnvironmentConnections):
        def uri(self, conn_id: str) -> str | None:
            return f"http://:handed-over@{conn_id}"

    away = {**store[2], "endpoint_url": "http://127.0.0.1:9"}
    services = Services(Settings.from_env(named(away, 60)), Handed())
    login = from_env("slipstream_mlflow", services.with_connection("slipstream_mlflow").environ)
    assert login is not None
    assert login.password == "handed-over"


def test_no_answer_a_refusal_and_a_key_that_is_gone_are_never_no_login(
    store: tuple[Any, Any, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.backends.aws.access.CONFIG", Config(retries={"total_max_attempts": 1}))
    away = open_secrets_manager(json.dumps({**store[2], "endpoint_url": "http://127.0.0.1:9"}))
    with pytest.raises(UnreachableError, match="plain"):
        away.connection("plain")
    backend, refusing = open_secrets_manager(json.dumps(store[2])), list[str]()

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": refusing[-1], "Message": "no"}}, "GetSecretValue")

    backend.client.meta.events.register("before-parameter-build", refuse)
    for code, kind, words in (
        ("AccessDeniedException", PermanentError, "allow secretsmanager:GetSecretValue on airflow/connections/plain"),
        ("DecryptionFailure", PermanentError, "DecryptionFailure"),
        ("InternalServiceError", UnreachableError, "InternalServiceError"),
        ("UnrecognizedClientException", SpecError, "login"),
    ):
        refusing.append(code)
        with pytest.raises(kind, match=words):
            backend.connection("plain")


def test_arguments_that_cannot_be_read_are_refused_without_being_shown() -> None:
    for text in ("{'a': 'hunter2'}", '["hunter2"]'):
        with pytest.raises(SpecError, match="AIRFLOW__SECRETS__BACKEND_KWARGS") as refused:
            open_parameter_store(text)
        assert "hunter2" not in str(refused.value)
