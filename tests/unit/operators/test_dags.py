"""The DAG files: complete, serialisable, cheap to parse, and free of ML libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "ray", "mlflow", "feast", "great_expectations", "evidently", "pytorch_lightning", "pandas", "duckdb", "pyarrow")

PARSE = """
import json, sys, time
from pathlib import Path
import airflow.sdk
import importlib.util
started = time.process_time()
spec = importlib.util.spec_from_file_location("lifecycle_dags_file", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
seconds = time.process_time() - started
from airflow.sdk import DAG
dags = {{name: dag for name, dag in vars(module).items() if isinstance(dag, DAG)}}
loaded = sorted(set(sys.modules) & set({heavy!r}))
from airflow.serialization.serialized_objects import DagSerialization
out = {{name: {{"tasks": dag.task_ids, "doc": dag.doc_md,
        "bytes": len(json.dumps(DagSerialization.to_dict(dag), default=str))}} for name, dag in dags.items()}}
print(json.dumps({{"dags": out, "loaded": loaded, "seconds": seconds}}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A process of its own, so that what other tests imported does not count."""
    home = tmp_path_factory.mktemp("airflow")
    env = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    code = PARSE.format(path=str(ROOT / "dags/lifecycle.py"), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    value: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return value


def test_every_part_of_the_life_is_a_dag(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    parts = ("features", "training", "rollout", "monitoring", "scoring")
    assert {f"flight_delay_{part}" for part in parts} <= set(parsed["dags"])


def test_the_training_tasks_are_in_order(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    tasks = parsed["dags"]["flight_delay_training"]["tasks"]
    expected = ["plan", "build_training_set", "validate_training_set", "tune", "train", "evaluate", "gate", "register"]
    assert sorted(tasks) == sorted(expected)  # type: ignore[call-overload]


def test_every_dag_tells_what_it_is(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    assert all(dag["doc"] for dag in parsed["dags"].values())
    assert all(dag["bytes"] for dag in parsed["dags"].values())


def test_parsing_loads_no_ml_library(parsed: dict[str, object]) -> None:
    assert parsed["loaded"] == []


def test_airflows_safe_mode_discovers_the_file() -> None:
    text = (ROOT / "dags/lifecycle.py").read_text().lower()
    assert "airflow" in text
    assert "dag" in text
