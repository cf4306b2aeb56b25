"""What our deployment files name is in the lock and works with it: executors, providers, settings, programs, addresses.

`pip check` sees nothing of this. A provider that imports what its library no longer has, or an address whose driver is not
installed, is found when the first container starts, or here.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.backends.redis.address import check
from include.core.connection import parse
from include.core.database import open_engine
from include.governance.dossier.keys import signing_key
from operators.provider_info import connection_types
from tests.support.deployment_files import ASTRO, ROOT, SETTING, airflow_values, commands, compose, deployment_files, load

EXECUTORS = {"CELERY": "CeleryExecutor"}  # as Astro calls them
DOCKER = ROOT / "docker"
OPTIONAL = {"openlineage"}  # imported only where it is installed
PROVIDER = re.compile(r"\bairflow\.providers(?:\.[a-z_0-9]+)+")


def executors() -> set[str]:
    named = {
        compose()["services"]["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"],
        EXECUTORS[load(ASTRO)["deployment"]["configuration"]["executor"]],
        airflow_values()["executor"],
        "LocalExecutor",  # of `make up`
    }
    return set(named)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    (folder / "make-secrets.sh").write_text((DOCKER / "make-secrets.sh").read_text())
    subprocess.run(["bash", str(folder / "make-secrets.sh")], check=True, capture_output=True)
    return folder / "secrets"


@pytest.fixture(scope="module")
def variables(made: Path) -> list[tuple[str, str]]:
    """Every (name, value) that the script writes, whichever process it is for."""
    return [line_of(line) for path in sorted(made.glob("*.env")) for line in path.read_text().splitlines()]


def line_of(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


# -- executors, providers ------------------------------------------------------------------------------------


def test_every_file_names_an_executor() -> None:
    assert executors() == {"CeleryExecutor", "LocalExecutor"}


@pytest.mark.parametrize("name", sorted(executors()))
def test_every_executor_that_a_file_names_can_be_imported(name: str) -> None:
    from airflow.executors.executor_loader import ExecutorLoader

    assert _imported(ExecutorLoader.executors[name]).__name__ == name


def test_the_celery_app_that_the_workers_health_check_asks_is_there() -> None:
    asked = [command[command.index("--app") + 1] for _, command in commands() if command[:2] == ["celery", "--app"]]
    assert asked
    assert all(_imported(name).main for name in asked)


def provider_modules() -> list[str]:
    """What our sources and files name of Airflow's providers, to the module, and each provider that is a dependency."""
    sources = [path for folder in ("include", "operators", "plugins", "dags") for path in (ROOT / folder).rglob("*.py")]
    text = "".join(path.read_text() for path in (*sources, *deployment_files()))
    pinned = re.findall(r'"apache-airflow-providers-([a-z]+)==', (ROOT / "pyproject.toml").read_text())
    named = {*PROVIDER.findall(text), *(f"airflow.providers.{name}" for name in pinned)}
    return sorted(name for name in named if name.split(".")[2] not in OPTIONAL)


def test_the_sources_and_the_files_name_providers() -> None:
    assert {name.split(".")[2] for name in provider_modules()} == {"amazon", "celery", "http", "standard"}


@pytest.mark.parametrize("name", provider_modules())
def test_every_provider_that_is_named_can_be_imported(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        _imported(name)  # its last part is a name within a module


def test_the_hook_of_every_connection_type_of_ours_can_be_imported() -> None:
    for kind in connection_types():
        assert isinstance(_imported(str(kind["hook-class-name"])), type), kind


# -- settings and programs -----------------------------------------------------------------------------------


def known_settings() -> set[tuple[str, str]]:
    from airflow.configuration import conf

    described = conf.configuration_description
    return {(section, option) for section, found in described.items() for option in found["options"]}


def named_settings() -> Iterator[tuple[str, str]]:
    for path in deployment_files():
        yield from ((section.lower(), option.lower()) for section, option in SETTING.findall(path.read_text()))
    for section, options in airflow_values()["config"].items():
        yield from ((section, option) for option in options)


# The chart has switches of these names for variables of earlier Airflows, which are off.
FORMER = {
    ("core", "sql_alchemy_conn"), ("webserver", "secret_key"), ("celery", "celery_result_backend"),
    ("elasticsearch", "host"), ("elasticsearch", "elasticsearch_host"), ("opensearch", "host"),
}  # fmt: skip


def test_airflow_knows_every_setting_of_its_own_that_a_file_names() -> None:
    """A misspelt one is passed over in silence."""
    assert sorted(set(named_settings()) - known_settings() - FORMER) == []


def test_airflows_command_line_takes_every_command_that_compose_gives_it() -> None:
    from airflow.cli.cli_parser import get_parser

    asked = [command[1:] for _, command in commands() if command[:1] == ["airflow"]]
    assert ["scheduler"] in asked
    assert ["celery", "worker", "--concurrency", "4"] in asked
    for arguments in asked:
        assert get_parser().parse_args(arguments).func


def test_every_module_that_a_file_starts_is_there() -> None:
    started = [command[command.index("-m") + 1] for _, command in commands() if "-m" in command and command[0] == "python"]
    assert {"include.gateway", "include.local.mlflow_accounts"} <= set(started)
    assert [name for name in started if not _module(name)] == []


def test_the_auth_manager_of_the_charts_values_is_in_the_image() -> None:
    """The chart's own default is a provider's that is not."""
    assert isinstance(_imported(airflow_values()["config"]["core"]["auth_manager"]), type)


def _module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


# -- addresses that the scripts write ------------------------------------------------------------------------


def test_a_driver_is_installed_for_every_database_that_a_script_names(variables: list[tuple[str, str]], made: Path) -> None:
    named = [value for _, value in variables if "@postgres:5432/" in value and not value.startswith("db+")]
    named += [word for word in (made / "mlflow_auth.ini").read_text().split() if "@postgres:5432/" in word]
    assert len(named) >= 6  # Airflow's, the DAG processor's, MLflow's two, ours in its files
    for url in named:
        assert sa.create_engine(url).driver == "psycopg2"  # imports the driver, and connects to nothing


def test_the_control_stores_address_is_one_that_we_open(variables: list[tuple[str, str]]) -> None:
    urls = {value for name, value in variables if name == "SLIPSTREAM_CONTROL_URL"}
    assert [open_engine(url).dialect.name for url in urls] == ["postgresql"]


def test_the_online_stores_address_is_one_that_we_open(variables: list[tuple[str, str]]) -> None:
    urls = {value for name, value in variables if name == "SLIPSTREAM_ONLINE_URL"}
    assert [check(url)["host"] for url in urls] == ["redis"]


def test_celery_opens_its_broker_and_its_result_backend(variables: list[tuple[str, str]]) -> None:
    from celery.app.backends import by_url
    from celery.backends.database import DatabaseBackend
    from celery.backends.database.session import SessionManager
    from kombu import Connection

    (broker,) = {value for name, value in variables if name == "AIRFLOW__CELERY__BROKER_URL"}
    (results,) = {value for name, value in variables if name == "AIRFLOW__CELERY__RESULT_BACKEND"}
    assert Connection(broker).transport.driver_type == "redis"
    kind, url = by_url(results)
    assert kind is DatabaseBackend  # which opens its sessions so, and would then connect
    assert SessionManager().get_engine(url).driver == "psycopg2"


def test_every_connection_that_a_script_writes_is_read_by_us_and_by_airflow(variables: list[tuple[str, str]]) -> None:
    from airflow.models import Connection

    types = {str(kind["connection-type"]) for kind in connection_types()}
    written = {(name, value) for name, value in variables if name.startswith("AIRFLOW_CONN_")}
    keys = {uri for name, uri in written if name in ("AIRFLOW_CONN_SLIPSTREAM_ENTITIES", "AIRFLOW_CONN_SLIPSTREAM_DOSSIER")}
    assert [parse(uri).password == Connection(uri=uri).password != "" for uri in keys] == [True, True]
    (dossier,) = {value for name, value in variables if name == "AIRFLOW_CONN_SLIPSTREAM_DOSSIER"}
    assert signing_key(Path("nowhere"), {"AIRFLOW_CONN_SLIPSTREAM_DOSSIER": dossier}) is not None
    written = {(name, uri) for name, uri in written if uri not in keys}
    assert {name for name, _ in written} == {f"AIRFLOW_CONN_SLIPSTREAM_{server}" for server in ("GATEWAY", "MLFLOW", "RAY")}
    for name, uri in written:
        ours, theirs = parse(uri), Connection(uri=uri)
        assert (ours.password, ours.login) == (theirs.password, theirs.login or ""), name
        assert (theirs.conn_type in types, ours.url) == (True, f"http://{theirs.host}:{theirs.port}"), name
