"""Ports: from the environment, and a clear refusal where somebody else holds one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from include.core.errors import ConflictError, SpecError
from include.local.platform import Platform
from include.local.ports import DEFAULT_PORTS, free_ports, is_free, read_ports, refuse_taken


def test_every_port_can_be_moved_by_its_own_setting() -> None:
    moved = read_ports({f"SLIPSTREAM_{name.upper()}_PORT": str(20000 + i) for i, name in enumerate(DEFAULT_PORTS)})
    assert moved == {name: 20000 + i for i, name in enumerate(DEFAULT_PORTS)}
    assert read_ports({}) == DEFAULT_PORTS


@pytest.mark.parametrize("value", ["", "http", "80", "65536", "-1", "8080.5"])
def test_a_value_that_is_no_port_is_refused_with_its_setting(value: str) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_MLFLOW_PORT"):
        read_ports({"SLIPSTREAM_MLFLOW_PORT": value})


def test_a_taken_port_is_refused_by_number_holder_and_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConflictError) as caught:
            refuse_taken(["mlflow"], {"mlflow": port})
    message = str(caught.value)
    assert f"port {port} (wanted by mlflow)" in message
    assert f"process {os.getpid()}" in message
    assert "SLIPSTREAM_MLFLOW_PORT=" in message


def test_all_taken_ports_are_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = {"airflow": one.getsockname()[1], "ray": two.getsockname()[1]}
        with pytest.raises(ConflictError, match=r"airflow.*ray"):
            refuse_taken(ports, ports)


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_the_ports_of_a_running_platform_are_remembered(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    platform.run.mkdir()
    platform.ports_file.write_text('{"mlflow": 23456}')
    assert Platform.from_env({"SLIPSTREAM_HOME": str(tmp_path)}).ports["mlflow"] == 23456
    explicit = Platform.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_MLFLOW_PORT": "23457"})
    assert explicit.ports["mlflow"] == 23457
