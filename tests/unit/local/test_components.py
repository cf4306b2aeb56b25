"""The table of components, and what the supervisor is told about it."""

from __future__ import annotations

import configparser
from dataclasses import asdict
from pathlib import Path

import pytest

from include.core.errors import SpecError
from include.local.components import COMPONENTS, select
from include.local.credentials import Credentials
from include.local.platform import LONGEST_SOCKET_PATH, Platform
from include.local.ports import DEFAULT_PORTS
from include.local.supervisor import render


def parsed(platform: Platform) -> configparser.RawConfigParser:
    config = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    config.read_string(render(platform, COMPONENTS))
    return config


def test_a_subset_brings_what_it_needs_in_order() -> None:
    assert [each.name for each in select(["mlflow"])] == ["postgres", "mlflow"]
    assert [each.name for each in select(["triggerer"])] == ["postgres", "migrate", "triggerer"]
    assert select() == COMPONENTS


def test_an_unknown_component_is_refused_with_those_there_are() -> None:
    with pytest.raises(SpecError, match="one of postgres, ray"):
        select(["postgre"])


def test_needs_come_first_and_every_port_belongs_to_one_component() -> None:
    names = [each.name for each in COMPONENTS]
    for index, component in enumerate(COMPONENTS):
        assert set(component.needs) <= set(names[:index])
    assert sorted(port for each in COMPONENTS for port in each.ports) == sorted(DEFAULT_PORTS)


def test_servers_are_restarted_and_the_migration_is_not(tmp_path: Path) -> None:
    config = parsed(Platform(tmp_path))
    for component in COMPONENTS:
        program = config[f"program:{component.name}"]
        assert program["autorestart"] == ("false" if component.name == "migrate" else "true")
        assert program["killasgroup"] == "true"
        assert program["autostart"] == "false"  # `up` starts each when what it needs is healthy


def test_the_supervisor_listens_on_a_private_socket_only(tmp_path: Path) -> None:
    config = parsed(Platform(tmp_path))
    assert config["unix_http_server"]["chmod"] == "0600"
    assert not config.has_section("inet_http_server")


def test_the_supervisors_configuration_holds_no_secret(tmp_path: Path) -> None:
    text = render(Platform(tmp_path), COMPONENTS)
    assert not any(secret in text for secret in asdict(Credentials.load(tmp_path)).values())


def test_a_percent_sign_in_the_home_is_no_expansion(tmp_path: Path) -> None:
    text = render(Platform(tmp_path / "100%s"), COMPONENTS)
    assert "100%%s" in text


def test_a_deep_home_gets_a_socket_that_the_kernel_accepts(tmp_path: Path) -> None:
    deep = Platform(tmp_path / ("x" * 120))
    assert len(str(deep.socket)) <= LONGEST_SOCKET_PATH
    assert deep.socket != Platform(tmp_path / ("y" * 120)).socket
    assert len(str(deep.ray_folder)) < 40


def test_every_server_listens_on_loopback(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    for name in ("postgres", "ray", "mlflow"):
        command = " ".join(next(each for each in COMPONENTS if each.name == name).command(platform))
        assert "127.0.0.1" in command
        assert "0.0.0.0" not in command
