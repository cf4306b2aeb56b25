from __future__ import annotations

import json

import pytest

from include.cli.checkup.finding import Level
from include.cli.checkup.settings import all_secrets, check_connections, check_names, check_secrets, resolved, without
from include.core.environment import CONNECTIONS, VARIABLES
from include.core.settings import Settings

SECRET = "hunter2-hunter2"
QUOTED = "hunter2%2Fhunter2"  # stands for hunter2/hunter2
ENVIRON = {
    "SLIPSTREAM_HOME": "/somewhere",
    "SLIPSTREAM_CONTROL_URL": f"postgresql+psycopg://slip:{SECRET}@db/slip?sslpassword={SECRET}&sslmode=require",
    "SLIPSTREAM_ONLINE_URL": f"rediss://:{QUOTED}@store:6379/0",
    "SLIPSTREAM_MLFLOW_URL": f"http://me:{SECRET}@mlflow:5500",
    "SLIPSTREAM_RAY_URL": f"http://{SECRET}@ray:8265",
    "MLFLOW_ADMIN_PASSWORD": SECRET,
    "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": {"env_vars": {"X": SECRET}}}),
    **{each.name: f"slipstream-gateway://someone:{SECRET}@h:1/?session={SECRET}" for each in CONNECTIONS},
}


def test_each_setting_is_told_with_where_it_came_from() -> None:
    filed = {"SLIPSTREAM_GATEWAY_URL": "http://127.0.0.1:9", "SLIPSTREAM_MLFLOW_URL": "http://127.0.0.1:8"}
    given = {"SLIPSTREAM_HOME": "/somewhere", "SLIPSTREAM_MLFLOW_URL": "http://mlflow"}
    found = {each.name: each for each in resolved(Settings.from_env({**filed, **given}), given, filed)}
    assert (found["SLIPSTREAM_MLFLOW_URL"].value, found["SLIPSTREAM_MLFLOW_URL"].origin) == ("http://mlflow", "environment")
    assert found["SLIPSTREAM_GATEWAY_URL"].origin == "connections.env"
    assert (found["SLIPSTREAM_ROOT"].value, found["SLIPSTREAM_ROOT"].origin) == ("/somewhere/store", "default")
    assert "SLIPSTREAM_WARM" not in found  # of what is no setting proper only what is set


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_no_setting_shows_a_secret_of_any_kind(name: str) -> None:
    environ = {"SLIPSTREAM_HOME": "/somewhere", name: ENVIRON.get(name, f"http://user:{SECRET}@host/?token={SECRET}")}
    shown = resolved(Settings.from_env(environ), environ, {})
    assert SECRET not in str(shown)
    assert "hunter2" not in str(shown)


def test_a_connection_is_shown_by_its_address_and_login() -> None:
    found = {each.name: each.value for each in resolved(Settings.from_env(ENVIRON), ENVIRON, {})}
    assert found["AIRFLOW_CONN_SLIPSTREAM_GATEWAY"] == "http://h:1, login someone, password not shown"
    assert found["SLIPSTREAM_CONTROL_URL"] == "postgresql+psycopg://slip:***@db/slip?sslpassword=***&sslmode=require"
    assert found["SLIPSTREAM_MLFLOW_URL"] == "http://mlflow:5500"
    assert found["MLFLOW_ADMIN_PASSWORD"] == "set, not shown"


def test_what_a_library_repeats_is_taken_out_of_its_message() -> None:
    secrets = all_secrets(ENVIRON)
    for text in (SECRET, QUOTED, "hunter2/hunter2"):
        assert without(secrets, f"cannot connect with '{text}'.") == "cannot connect with '***'."
    assert without(all_secrets({"SLIPSTREAM_ONLINE_URL": "redis://:db@h"}), "the db is away") == "the db is away"


def test_a_name_that_nothing_reads_is_a_slip_of_the_pen() -> None:
    (found,) = check_names({"SLIPSTREAM_ONLIN_URL": SECRET, "SLIPSTREAM_HOME": "/x"}, {})
    assert (found.level, found.next) == (Level.WARNING, "did you mean SLIPSTREAM_ONLINE_URL?")
    assert SECRET not in found.words
    (found,) = check_names({"SLIPSTREAM_HOME": "/x", "HOME": "/root"}, {"SLIPSTREAM_RAY_URL": "x"})
    assert (found.level, found.words) == (Level.OK, "2 are set; every name is known.")


def test_a_connection_that_cannot_be_read_is_named_and_not_shown() -> None:
    (found,) = check_connections({"AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{SECRET}@h:port"}, {})
    assert "AIRFLOW_CONN_SLIPSTREAM_RAY" in found.words
    assert SECRET not in f"{found.words}{found.next}"
    assert not list(check_connections(ENVIRON, {}))


def test_a_secrets_backend_that_only_airflow_reads_is_told() -> None:
    assert list(check_secrets(Settings.from_env({}))) == []
    environ = {"AIRFLOW__SECRETS__BACKEND": "airflow.providers.hashicorp.secrets.vault.VaultBackend"}
    (found,) = check_secrets(Settings.from_env(environ))
    assert (found.level, "VaultBackend is read by Airflow's tasks alone" in found.words) == (Level.WARNING, True)
