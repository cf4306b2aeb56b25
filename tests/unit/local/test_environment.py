"""Environments: what each process finds, and which secrets it never sees."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import boto3
import pytest

from include.core.connection import from_env
from include.core.errors import PermanentError
from include.core.settings import Settings
from include.local import environment
from include.local.components import COMPONENTS
from include.local.connections import read_file, write_file
from include.local.credentials import Credentials
from include.local.platform import Platform
from tests.support.s3_server import CREDENTIALS, moto_server


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path)


@pytest.fixture
def credentials(platform: Platform) -> Credentials:
    return Credentials.load(platform.home)


def test_a_process_of_a_person_reports_nothing_unless_the_shell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.QUIET:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    environment.quiet()
    assert {name: os.environ[name] for name in environment.QUIET} == {**environment.QUIET, "DO_NOT_TRACK": "0"}


def test_every_process_finds_the_project_the_home_and_the_addresses(platform: Platform, credentials: Credentials) -> None:
    for component in COMPONENTS:
        env = component.environment(platform, credentials)
        assert env["PYTHONPATH"] == str(platform.project)
        settings = Settings.from_env(env)
        assert settings.home == platform.home
        assert settings.mlflow_url == platform.url("mlflow")
        assert settings.ray_url == platform.url("ray")


def test_no_process_reports_home_and_none_may_unpickle_a_model(platform: Platform, credentials: Credentials) -> None:
    for component in COMPONENTS:
        env = component.environment(platform, credentials)
        assert env["DO_NOT_TRACK"] == env["MLFLOW_DISABLE_TELEMETRY"].replace("true", "1") == "1"
        assert env["RAY_USAGE_STATS_ENABLED"] == "0"
        assert env["GX_ANALYTICS_ENABLED"] == "false"
        assert env["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_airflow_reads_the_projects_dags_unless_told_otherwise(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.airflow(platform, credentials)["AIRFLOW__CORE__DAGS_FOLDER"] == str(platform.project / "dags")
    monkeypatch.setenv("SLIPSTREAM_DAGS", "/elsewhere/dags")
    assert environment.airflow(platform, credentials)["AIRFLOW__CORE__DAGS_FOLDER"] == "/elsewhere/dags"


def test_places_of_models_reach_every_process_and_the_command(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "library" / "shop_models").mkdir(parents=True)
    (tmp_path / "library" / "shop_models" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPSTREAM_MODELS", "include.models:shop_models:repository/models")
    places = f"include.models:shop_models:{tmp_path}/repository/models"
    for component in COMPONENTS:
        env = component.environment(platform, credentials)
        assert env["SLIPSTREAM_MODELS"] == places
        assert env["PYTHONPATH"] == f"{platform.project}:{tmp_path}/library"
    write_file(platform, credentials)
    assert read_file(platform.home)["SLIPSTREAM_MODELS"] == places
    monkeypatch.delenv("SLIPSTREAM_MODELS")
    write_file(platform, credentials, runs_already=True)  # `make up` in another shell, for a component that died
    assert read_file(platform.home)["SLIPSTREAM_MODELS"] == places
    write_file(platform, credentials)
    assert "SLIPSTREAM_MODELS" not in read_file(platform.home)


def secrets_in(env: dict[str, str], credentials: Credentials) -> set[str]:
    return {name for name, secret in asdict(credentials).items() if any(secret in value for value in env.values())}


def test_a_secret_goes_only_where_it_is_needed(platform: Platform, credentials: Credentials) -> None:
    held = {each.name: secrets_in(each.environment(platform, credentials), credentials) for each in COMPONENTS}
    assert held["postgres"] == set()
    assert held["ray"] == {"mlflow_jobs"}  # a training shows its metrics while it runs
    assert held["gateway"] == {"gateway_admin"}
    assert held["mlflow"] == {"mlflow_admin", "mlflow_session_key", "postgres_mlflow"}
    assert held["dag-processor"] == {"postgres_airflow_dags"}
    assert not any("postgres" in each for each in held.values())  # the superuser


def test_connections_to_servers_of_remote_models_go_to_who_scores(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_OIP_TRITON", "http://:hunter2@triton:8000")
    held = {each.name for each in COMPONENTS if "hunter2" in str(each.environment(platform, credentials))}
    assert {"gateway", "scheduler", "ray"} <= held
    assert not held & {"mlflow", "postgres", "dag-processor", "api-server"}


def test_no_secret_is_on_a_command_line(platform: Platform, credentials: Credentials) -> None:
    for component in COMPONENTS:
        command = " ".join(component.command(platform))
        assert not any(secret in command for secret in asdict(credentials).values())


def test_the_settings_of_another_airflow_or_ray_are_not_inherited(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://")
    env = environment.airflow(platform, credentials)
    assert env["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "AIRFLOW__SMTP__SMTP_HOST" not in env
    assert "RAY_ADDRESS" not in env
    assert env["AIRFLOW_CONN_AWS_DEFAULT"] == "aws://"  # the user's own connections are


def test_bytecode_is_kept_whoever_starts_the_platform(platform: Platform, credentials: Credentials) -> None:
    assert "PYTHONDONTWRITEBYTECODE" not in environment.airflow(platform, credentials, {"PYTHONDONTWRITEBYTECODE": "1"})


def test_connections_reach_tasks_and_the_command_alike(platform: Platform, credentials: Credentials) -> None:
    path = write_file(platform, credentials)
    assert path.stat().st_mode & 0o777 == 0o600
    for env in (environment.airflow(platform, credentials), read_file(platform.home)):
        mlflow, ray, gateway = (from_env(f"slipstream_{name}", env) for name in ("mlflow", "ray", "gateway"))
        assert mlflow is not None and ray is not None and gateway is not None  # noqa: PT018
        assert (mlflow.url, mlflow.login) == (platform.url("mlflow"), "slipstream-registry")
        assert mlflow.password == credentials.mlflow_registry
        assert (ray.url, ray.password) == (platform.url("ray"), credentials.ray_token)
        assert (gateway.url, gateway.password) == (platform.url("gateway"), credentials.gateway_admin)


def test_a_home_that_was_moved_says_where_it_is_now(tmp_path: Path) -> None:
    former, home = Platform(tmp_path / "former"), tmp_path / "moved" / "home"
    file = write_file(former, Credentials.load(former.home))
    with file.open("a") as more:  # what a person may have put beside
        more.write(f"SLIPSTREAM_ROOT={former.home}/store\nSLIPSTREAM_ONLINE_URL=sqlite:///{former.home}/online.db\n")
    home.parent.mkdir()
    shutil.copytree(former.home, home)  # the former one is still there, and must not be read
    settings = Settings.from_env(read_file(home))
    assert (settings.home, settings.root) == (home, f"{home}/store")
    assert settings.online_url == f"sqlite:///{home}/online.db"
    assert str(former.home) not in "".join(f"{name}={value}" for name, value in read_file(home).items())


def test_a_file_of_another_user_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PermanentError, match=r"(?s)belongs to another user.*chown -R"):
        read_file(tmp_path)


def test_no_platform_means_no_connections(tmp_path: Path) -> None:
    assert read_file(tmp_path) == {}


def test_airflows_users_have_generated_passwords(platform: Platform, credentials: Credentials) -> None:
    environment.write_passwords(platform, credentials)
    passwords = json.loads(environment.passwords_file(platform).read_text())
    users = environment.airflow(platform, credentials)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert users == "admin:admin,op:op,viewer:viewer"
    assert passwords == {
        "admin": credentials.airflow_admin,
        "op": credentials.airflow_op,
        "viewer": credentials.airflow_viewer,
    }


def test_a_gateway_with_a_certificate_of_its_own_is_asked_over_tls(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPSTREAM_GATEWAY_TLS_CERT", "/c.pem")
    environ = environment.gateway(platform, credentials)
    gateway = from_env("slipstream_gateway", environ)
    assert gateway is not None
    assert (
        gateway.url
        == environ["SLIPSTREAM_GATEWAY_URL"]
        == platform.url("gateway")
        == f"https://127.0.0.1:{platform.ports['gateway']}"
    )
    assert platform.url("mlflow").startswith("http:")


SEEN = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hush",
    "SENTRY_DSN": "https://hush@errors.example/1",
    "SLIPSTREAM_LOG_FORMAT": "json",
}


def test_what_opens_a_collector_goes_to_who_sends_and_the_rest_to_everybody(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SEEN.items():
        monkeypatch.setenv(name, value)
    made = {component.name: component.environment(platform, credentials) for component in COMPONENTS}
    assert {env["OTEL_EXPORTER_OTLP_ENDPOINT"] for env in made.values()} == {"http://collector:4317"}
    assert {env["SLIPSTREAM_LOG_FORMAT"] for env in made.values()} == {"json"}
    told = {name for name, env in made.items() if "hush" in str(env)}
    assert told == {"scheduler", "triggerer", "api-server", "ray", "gateway"}


def test_airflow_traces_and_logs_as_the_platform_does(
    platform: Platform, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = ("AIRFLOW__TRACES__OTEL_ON", "AIRFLOW__LOGGING__JSON_LOGS", "AIRFLOW__SENTRY__SENTRY_ON")
    plain = environment.airflow(platform, credentials)
    assert not set(switches) & set(plain)
    for name, value in SEEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    env = environment.airflow(platform, credentials)
    assert [env.get(name) for name in switches] == ["true", "true", None]  # without the library it could not start
    monkeypatch.setattr(environment, "find_spec", lambda name: name)
    assert environment.airflow(platform, credentials)["AIRFLOW__SENTRY__SENTRY_ON"] == "true"


def test_a_connection_that_the_backend_has_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with moto_server() as address:
        secrets = boto3.client("secretsmanager", endpoint_url=address, **CREDENTIALS)
        secrets.create_secret(Name="ours/slipstream_gateway", SecretString="slipstream-gateway://:kept@127.0.0.1:1")
        monkeypatch.setenv(
            "AIRFLOW__SECRETS__BACKEND", "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
        )
        given = {"connections_prefix": "ours", "endpoint_url": address, **CREDENTIALS}
        monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(given))
        platform = Platform(tmp_path)
        credentials = Credentials.load(platform.home)
        found = {each.name: each.environment(platform, credentials) for each in COMPONENTS}
    asks = {name for name, env in found.items() if "AIRFLOW__SECRETS__BACKEND" in env}
    assert asks == {"scheduler", "api-server", "triggerer", "gateway"}
    assert [name for name, env in found.items() if "AIRFLOW_CONN_SLIPSTREAM_GATEWAY" in env] == []
    assert {name for name, env in found.items() if "AIRFLOW_CONN_SLIPSTREAM_MLFLOW" in env} == {
        "scheduler",
        "ray",
    }  # the backend has none
