"""What Airflow itself makes of our connection types, as its Connections page shows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from include.core.digest import PROJECT
from operators.provider_info import get_provider_info
from tests.support.scripts import load_script

launchers = load_script("launchers")
CODE = """
import json, os, warnings
warnings.simplefilter("ignore")
from airflow.providers_manager import ProvidersManager

manager = ProvidersManager()
ours = {kind: hook for kind, hook in manager.hooks.items() if kind.startswith("slipstream_")}
forms = {kind: form for kind, form in manager.field_behaviours.items() if kind.startswith("slipstream_")}
shown = {item.connection_type: item.hook_name for item in manager.iter_connection_type_hook_ui_metadata()
         if item.connection_type.startswith("slipstream_")}
from airflow.models import Connection
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

# As the button does: the connection of the form is tested under a name that only the environment has.
asked = Connection(conn_id="asked", conn_type="slipstream_gateway", host="127.0.0.1", port=1, password="hunter2-hunter2")
os.environ["AIRFLOW_CONN_ASKED"] = asked.get_uri()
tested = asked.test_connection()
runtime = [kind for kind in ProvidersManagerTaskRuntime().hooks if kind.startswith("slipstream_")]
hooks = {kind: hook._asdict() if hook else None for kind, hook in ours.items()}
print(json.dumps({"hooks": hooks, "forms": forms, "shown": shown, "tested": tested, "runtime": runtime}))
"""


def airflow_sees(folder: Path) -> dict[str, Any]:
    packages = folder / "packages"
    packages.mkdir()
    launchers.register_provider(packages)
    environ = {**os.environ, "AIRFLOW_HOME": str(folder), "PYTHONPATH": f"{packages}{os.pathsep}{PROJECT}"}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "slipstream" not in done.stderr.lower(), done.stderr[-2000:]  # where Airflow says what it could not take
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.lives
def test_airflow_lists_the_types_their_names_and_their_forms(tmp_path: Path) -> None:
    seen = airflow_sees(tmp_path)
    names = {
        "slipstream_airflow": "Slipstream Airflow", "slipstream_gateway": "Slipstream gateway",
        "slipstream_mlflow": "Slipstream MLflow", "slipstream_ray": "Slipstream Ray",
    }  # fmt: skip
    assert {kind: hook["hook_name"] for kind, hook in seen["hooks"].items()} == names
    assert seen["shown"] == names
    assert all(hook["connection_testable"] for hook in seen["hooks"].values())
    assert {hook["connection_id_attribute_name"] for hook in seen["hooks"].values()} == {"conn_id"}
    assert set(seen["runtime"]) == set(names)  # what a task knows
    status, words = seen["tested"]
    assert (status, "The gateway at http://127.0.0.1:1 does not answer" in words, "hunter2" in words) == (False, True, False)
    gateway = seen["forms"]["slipstream_gateway"]
    assert gateway["relabeling"]["password"] == "Administrator token"
    assert "login" in gateway["hidden_fields"]
    assert "login" not in seen["forms"]["slipstream_mlflow"]["hidden_fields"]


def test_the_metadata_are_what_airflow_takes() -> None:
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
