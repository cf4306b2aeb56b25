from __future__ import annotations

import json

import pytest

from include.services.server_login import SERVERS
from operators.hooks import AirflowConnections
from operators.server_hooks import HOOKS, GatewayHook, MlflowHook, RayHook, ServerHook

PASSWORD = "hunter2-hunter2"


def test_every_server_that_needs_a_login_has_its_hook() -> None:
    assert set(HOOKS) == set(SERVERS)
    assert {hook.default_conn_name for hook in HOOKS.values()} == set(SERVERS)


@pytest.mark.parametrize(
    "uri",
    [
        f"http://:{PASSWORD}@gate:8500",
        f"slipstream-gateway://:{PASSWORD}@gate:8500",
        json.dumps({"conn_type": "slipstream_gateway", "host": "gate", "port": 8500, "password": PASSWORD}),
    ],
)
def test_a_connection_of_today_and_one_of_the_new_type_are_the_same(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", uri)
    found = GatewayHook().get_conn()
    assert (found.url, found.password) == ("http://gate:8500", PASSWORD)
    assert AirflowConnections().uri("slipstream_gateway") == uri


def test_a_connection_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_EAST", f"slipstream-ray://:{PASSWORD}@east:1")
    assert RayHook("east").get_conn().url == "http://east:1"
    assert ServerHook("east").get_uri() == f"slipstream-ray://:{PASSWORD}@east:1"


@pytest.mark.parametrize("kind", HOOKS)
def test_a_server_that_is_down_is_told_with_what_to_do(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{kind.upper()}", f"{kind.replace('_', '-')}://me:{PASSWORD}@127.0.0.1:1")
    status, words = HOOKS[kind]().test_connection()
    assert status is False
    assert "at http://127.0.0.1:1 does not answer" in words
    assert "Next: start it" in words
    assert PASSWORD not in words


def test_without_a_host_the_setting_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://me:{PASSWORD}@")
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_URL", "http://127.0.0.1:2")
    status, words = MlflowHook().test_connection()
    assert (status, "MLflow at http://127.0.0.1:2 does not answer" in words) == (False, True)


def test_a_connection_that_cannot_be_read_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_RAY", f"slipstream-ray://:{PASSWORD}@h:port")
    status, words = RayHook().test_connection()
    assert (status, "cannot be read" in words, PASSWORD in words) == (False, True, False)
