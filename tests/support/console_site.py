"""An Airflow API server with the console, in front of a home with two registered versions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.digest import PROJECT
from include.governance.registry import register, resource
from include.routing.route import Route, set_route
from include.versions.trainer import TRAINED_BY
from tests.support.toy_ledger import MODEL, Loop

READY = 120.0  # seconds; importing Airflow's API server takes most of them


@dataclass(frozen=True)
class Site:
    url: str
    tokens: dict[str, str]
    loop: Loop
    control: ControlStore

    def client(self, role: str = "") -> httpx.Client:
        """As somebody of that role; as nobody without one."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return httpx.Client(base_url=f"{self.url}/slipstream", headers=headers, trust_env=False, timeout=30)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    loop, control = Loop.under(home), ControlStore(f"sqlite:///{home / 'control.db'}")
    _fill(loop, control, home)
    with served(home, {"SLIPSTREAM_MODELS": "toy_models"}) as (url, tokens):
        yield Site(url, tokens, loop, control)


@contextmanager
def served(home: Path, ours: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """An API server in front of a home, with these settings: its address, and a token for each role."""
    for attempt in range(3):  # the free port may be somebody else's by the time Airflow is imported
        process, port = _start(home, ours)
        try:
            tokens = _tokens(process, home / "server.log")
            _wait(f"http://127.0.0.1:{port}", process)
            break
        except RuntimeError:
            process.terminate()
            process.wait(20)
            if attempt == 2:
                raise
    try:
        yield f"http://127.0.0.1:{port}", tokens
    finally:
        process.terminate()
        process.wait(20)


def _start(home: Path, ours: Mapping[str, str]) -> tuple[subprocess.Popen[str], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.support.airflow_server", str(port)]
    with (home / "server.log").open("w") as log:
        return subprocess.Popen(
            command, cwd=PROJECT, env=_environ(home, ours), stdout=subprocess.PIPE, stderr=log, text=True
        ), port


def _fill(loop: Loop, control: ControlStore, home: Path) -> None:
    control.create_tables()
    epoch = control.take(resource(MODEL), "t")
    for days in (2, 3):
        made = replace(loop.package(days=days), said={TRAINED_BY: "user"})
        register(control, FolderRegistry(loop.ledger.storage), made, epoch)
    with control.transaction() as connection:
        set_route(connection, MODEL, Route(champion=2, previous=1))
    package = home / "toy_models" / MODEL
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "spec.py").write_text("from tests.support.toy_ledger import SPEC as SPEC\n")


def _environ(home: Path, ours: Mapping[str, str]) -> dict[str, str]:
    theirs = {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "0" * 128,
        "SLIPSTREAM_HOME": str(home),
        "PYTHONPATH": f"{PROJECT}:{home}",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SLIPSTREAM_"))}
    return {**kept, **theirs, **ours}


def _tokens(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith('{"viewer"'):
            tokens: dict[str, str] = json.loads(line)
            # A server whose log nobody reads stops once the pipe is full.
            threading.Thread(target=lambda: process.stdout and process.stdout.read(), daemon=True).start()
            return tokens
    raise RuntimeError(f"Airflow's API server did not start:\n{log.read_text()[-3000:]}")


def _wait(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/api/v2/version", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"Airflow's API server does not listen on {url}; it ended with {process.poll()}")


# The plugin's routes, and what each asks of a caller first: for a program of its own, since the app is made on import.
ROUTES = """
from fastapi.routing import APIRoute
from plugins.slipstream_api import app

def calls(dependant):
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)

routes = [route for route in app.routes if isinstance(route, APIRoute)]
"""
