"""The Test button of Airflow's Connections page, against real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operators.server_hooks import GatewayHook, MlflowHook
from tests.support.gateway_world import TOKEN, World
from tests.support.mlflow_server import PASSWORD, mlflow_server

WRONG = "not-the-password"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("gateway"))
    world.start()
    yield world
    world.stop()


def test_a_real_gateway_takes_its_token_and_refuses_another(gateway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", f"slipstream-gateway://:{TOKEN}@127.0.0.1:{gateway.port}")
    assert GatewayHook().test_connection() == (True, f"The gateway at {gateway.url} answers, and takes the token.")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_GATEWAY", f"slipstream-gateway://:{WRONG}@127.0.0.1:{gateway.port}")
    status, words = GatewayHook().test_connection()
    assert (status, f"The gateway at {gateway.url} answers, and refuses the token (HTTP 401)." in words) == (False, True)
    assert WRONG not in words


def test_a_real_mlflow_takes_its_login_and_refuses_another(monkeypatch: pytest.MonkeyPatch) -> None:
    url = mlflow_server()
    place = url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://admin:{PASSWORD}@{place}")
    assert MlflowHook().test_connection() == (True, f"MLflow at {url} answers, and takes the login.")
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://admin:{WRONG}@{place}")
    status, words = MlflowHook().test_connection()
    assert (status, f"MLflow at {url} answers, and refuses the login (HTTP 401)." in words) == (False, True)
    assert WRONG not in words


def test_what_is_another_server_is_told_from_the_one_that_was_meant(gateway: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLIPSTREAM_MLFLOW", f"slipstream-mlflow://:{TOKEN}@127.0.0.1:{gateway.port}")
    status, words = MlflowHook().test_connection()
    assert (status, "is not MLflow" in words) == (False, True)
