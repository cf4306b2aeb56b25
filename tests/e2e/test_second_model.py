"""Adding a folder under include/models/ is all it takes: another label, another library, nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e  # in `make test` an author's DAG goes the same way: tests/integration/test_author_dag.py
ROOT = Path(__file__).resolve().parents[2]
PARTS = ("dags", "operators", "include", "plugins", "tests")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The project copied, the folder added, its life run by Airflow; what came of it."""
    project, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    for part in PARTS:
        shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__", "chaos", "integration"))
    shutil.copytree(ROOT / "examples/models/late_departure", project / "include/models/late_departure")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SLIPSTREAM", "RAY_", "PYTEST"))}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env |= {
        "PYTHONPATH": str(project),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "no-plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "SLIPSTREAM_HOME": str(home),
        "SLIPSTREAM_JOB_BACKEND": "process",
        "SLIPSTREAM_REGISTRY": "folder",
        "SLIPSTREAM_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW_CONN_SLIPSTREAM_RAY": "http://127.0.0.1:1",
        "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://127.0.0.1:1",
        "AIRFLOW_CONN_SLIPSTREAM_GATEWAY": "http://:secret@127.0.0.1:1",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
    }
    airflow = str(Path(sys.executable).parent / "airflow")
    subprocess.run([airflow, "db", "migrate"], env=env, check=True, capture_output=True, timeout=240)
    pools = home / "pools.json"
    pools.write_text(
        json.dumps({name: {"slots": 1, "description": "", "include_deferred": False} for name in ("ray", "gateway")})
    )
    subprocess.run([airflow, "pools", "import", str(pools)], env=env, check=True, capture_output=True, timeout=120)
    command = [sys.executable, "-m", "tests.e2e.second_model_life"]
    done = subprocess.run(command, env=env, cwd=project, capture_output=True, text=True, timeout=480, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    value: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return value


def test_every_task_of_every_day_of_features_succeeds(life: dict[str, Any]) -> None:
    states = [state for run in life["states"]["features"] for state in run.values()]
    assert states == ["success"] * 32


def test_training_registers_one_version_though_it_ran_twice(life: dict[str, Any]) -> None:
    first, second = life["states"]["training"]
    assert first == second
    assert {task for task, state in first.items() if state != "success"} == {"tune"}  # not asked for
    assert [version[:2] for version in life["versions"]] == [[1, "1.0.0"]]


def test_the_version_is_rolled_out_and_answers(life: dict[str, Any]) -> None:
    assert life["versions"][0][2] == "Production"
    assert life["answer"]["version"] == 1
    assert 0.0 <= life["answer"]["score"] <= 1.0


def test_the_model_has_learnt_something(life: dict[str, Any]) -> None:
    assert life["metrics"]["auc"] > 0.5
