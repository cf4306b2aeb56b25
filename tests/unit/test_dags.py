"""The DAG files: complete, serialisable, cheap to parse, and free of ML libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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


def parse(file: str, home: Path) -> dict[str, object]:
    """A process of its own, so that what other tests imported does not count."""
    env = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    code = PARSE.format(path=str(ROOT / "dags" / file), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    value: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return value


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return parse("lifecycle.py", tmp_path_factory.mktemp("airflow"))


@pytest.mark.lives
def test_the_reconciler_is_one_dag_of_one_task_and_loads_no_ml_library(tmp_path: Path) -> None:
    parsed = parse("reconcile.py", tmp_path)
    assert parsed["loaded"] == []
    ((name, dag),) = parsed["dags"].items()  # type: ignore[attr-defined]
    assert (name, dag["tasks"]) == ("slipstream_reconcile", ["reconcile"])
    assert "Pause this" in dag["doc"]


@pytest.mark.lives
def test_every_part_of_the_life_is_a_dag(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    parts = ("features", "features_range", "training", "rollout", "monitoring", "scoring")
    assert {f"flight_delay_{part}" for part in parts} <= set(parsed["dags"])


@pytest.mark.lives
def test_the_training_tasks_are_in_order(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    tasks = parsed["dags"]["flight_delay_training"]["tasks"]
    expected = ["plan", "build_training_set", "validate_training_set", "tune", "train", "evaluate", "gate", "register"]
    assert sorted(tasks) == sorted(expected)  # type: ignore[call-overload]


@pytest.mark.lives
def test_every_dag_tells_what_it_is(parsed: dict[str, dict[str, dict[str, object]]]) -> None:
    assert all(dag["doc"] for dag in parsed["dags"].values())
    assert all(dag["bytes"] for dag in parsed["dags"].values())


@pytest.mark.lives
def test_parsing_loads_no_ml_library(parsed: dict[str, object]) -> None:
    assert parsed["loaded"] == []


@pytest.mark.parametrize("file", ["lifecycle.py", "reconcile.py"])
def test_airflows_safe_mode_discovers_the_file(file: str) -> None:
    text = (ROOT / "dags" / file).read_text().lower()
    assert "airflow" in text
    assert "dag" in text


SPEC = """
from datetime import date
from include.core.spec import ModelSpec

SPEC = ModelSpec(
    name="{name}", owner="me", description="-", label="late", data=dict(sources=("a",), first=date(2013, 1, 1)),
    features=dict(build="m:b", entities="m:e", labels="m:l", views=(), request=(dict(name="x"),)),
    expectations="m:E", training=dict(fit="m:f"),
)
"""

BAG = """
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r}, bundle_path={folder!r}, bundle_name="b")
print(json.dumps({{"dags": sorted(bag.dags), "errors": bag.import_errors}}))
"""


@pytest.mark.lives
def test_a_broken_model_costs_its_own_dags_alone_and_is_named_by_airflow(tmp_path: Path) -> None:
    models = tmp_path / "broken_zoo"
    for name, text in (
        ("ant", SPEC.format(name="ant")),
        ("bee", "SPEC = ModelSpec("),
        ("cat", None),
        ("dog", SPEC.format(name="dog")),
    ):
        (models / name).mkdir(parents=True)
        (models / name / "__init__.py").touch()
        if text is not None:
            (models / name / "spec.py").write_text(text)
    (models / "__init__.py").touch()
    needy = tmp_path / "repository" / "models" / "elk"
    shutil.copytree(models / "ant", needy)
    (needy / "spec.py").write_text(SPEC.format(name="elk"))
    (tmp_path / "repository" / "requirements.txt").write_text("no-such-library>=2\n")
    env = {
        **os.environ, "AIRFLOW_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{ROOT}:{tmp_path}",
        "SLIPSTREAM_MODELS": f"broken_zoo:{needy.parent}:/no/such/place",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }  # fmt: skip
    code = BAG.format(folder=str(ROOT / "dags"))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    parts = ("features", "features_range", "training", "rollout", "monitoring", "scoring")
    of_models = [name for name in found["dags"] if not name.startswith("slipstream_")]  # the installation's own are beside them
    assert of_models == sorted(f"{name}_{part}" for name in ("ant", "dog") for part in parts)
    assert list(found["errors"]) == ["broken_models.py"]
    assert "bee: The spec of model 'bee' cannot be imported: SyntaxError" in found["errors"]["broken_models.py"]
    assert "cat: There is no model 'cat': its folder has no spec.py" in found["errors"]["broken_models.py"]
    lacking = "elk: The environment lacks what model 'elk' requires: no-such-library>=2 (not installed)"
    assert lacking in found["errors"]["broken_models.py"]
    assert "/no/such/place: SLIPSTREAM_MODELS names a folder that cannot be read" in found["errors"]["broken_models.py"]
