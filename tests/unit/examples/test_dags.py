"""The example of an author's own DAG parses as it is, with the example model, and without any heavy library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "ray", "mlflow", "feast", "great_expectations", "evidently", "pandas", "duckdb", "pyarrow", "sklearn")
PARSE = f"""
import json, sys
from examples.dags.late_departure_weekly import late_departure_weekly as dag
from airflow.serialization.serialized_objects import DagSerialization
before = sorted(set(sys.modules) & set({HEAVY!r}))
DagSerialization.to_dict(dag)
print(json.dumps({{"id": dag.dag_id, "tasks": dag.task_ids, "loaded": before}}))
"""


@pytest.mark.lives
def test_the_weekly_dag_parses_with_the_example_model(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "SLIPSTREAM_MODELS": "examples.models",
        "SLIPSTREAM_HOME": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", PARSE], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["id"], found["loaded"]) == ("late_departure_weekly", [])
    assert {"check_day", "take_in_day", "bring_online", "learn.train", "release.promote"} <= set(found["tasks"])
