"""The clients of Triton and KServe, unchanged, each in an environment of its own: kserve conflicts with Airflow's pins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.routing.route import Route
from tests.support.gateway_world import MODEL, World, constant, heat_score

pytestmark = pytest.mark.e2e
CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("gateway"))
    world.register(1, constant(0.1))
    world.register(2, heat_score())
    world.route(Route(champion=1, challenger=2))
    world.start().close()
    yield world
    world.stop()


def environment(folder: Path, requirement: str) -> Path:
    """A fresh virtual environment with that package; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", requirement], check=True, timeout=900)
    return python


def calls(python: Path, script: str, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "http_proxy", "HTTP_PROXY"}}
    done = subprocess.run(
        [str(python), str(CLIENTS / script), *arguments], capture_output=True, text=True, timeout=300, cwd=CLIENTS, env=clean
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tritonclient_talks_to_the_gateway_unchanged(world: World, tmp_path: Path) -> None:
    python = environment(tmp_path / "triton", "tritonclient[http]==2.73.0")
    assert "all calls answered" in calls(python, "triton_calls.py", world.url.removeprefix("http://"), MODEL)


def test_the_kserve_client_talks_to_the_gateway_unchanged(world: World, tmp_path: Path) -> None:
    python = environment(tmp_path / "kserve", "kserve==0.21.0")
    assert "all calls answered" in calls(python, "kserve_calls.py", world.url, MODEL)
