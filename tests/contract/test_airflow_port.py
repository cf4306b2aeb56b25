"""The reconciler's port against Airflow's own execution API and database: what a task may ask, and how it is answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A process of its own: Airflow reads its home when it is imported."""
    home = tmp_path_factory.mktemp("airflow")
    env = {
        **os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db", "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
    }  # fmt: skip
    (home / "dags").mkdir()
    for command in (("-m", "airflow", "db", "migrate"), ("-m", "tests.contract.airflow_port")):
        done = subprocess.run([sys.executable, *command], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["state"] == "success", done.stdout[-6000:]
    return found


def test_a_task_learns_whether_a_dag_is_paused_or_gone(answers: dict[str, Any]) -> None:
    assert (answers["paused"], answers["unpaused"]) == ([True, None], False)


def test_a_run_is_made_once_under_our_name_with_its_conf(answers: dict[str, Any]) -> None:
    assert (answers["nothing yet"], answers["made"]) == (["gone", 0, 0], [True, False])
    assert answers["conf"] == {"version": 2, "words": "more"}


def test_a_run_is_followed_from_its_queue_to_its_deletion(answers: dict[str, Any]) -> None:
    assert answers["queued"] == ["queued", 1, ["one", "two"]]
    assert answers["running"] == ["running", 1, {"one": "deferred", "two": ""}]
    assert answers["failed"] == ["failed", 0, 0]
    assert answers["deleted"] == ["gone", 0, {}]


def test_a_run_that_airflow_refuses_is_refused_with_its_words(answers: dict[str, Any]) -> None:
    gone, invalid = answers["refused"]
    assert gone == ["NotReadyError", "Airflow makes no run of gone: Dag with dag_id: 'gone' not found."]
    assert invalid[0] == "NotReadyError"
    assert "Invalid input for param version" in invalid[1]
