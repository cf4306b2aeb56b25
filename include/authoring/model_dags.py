"""Whether a model's DAGs can be made and serialised: asked of Airflow in a process of its own, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

from include.authoring.spec_imports import child_environment
from include.core.errors import SpecError
from include.core.scratch import scratch_folder
from include.core.settings import Settings

_PATIENCE = 240  # seconds
_MAKE = """
import json, sys
from airflow.serialization.serialized_objects import DagSerialization
from include.core.catalog import load_owner
from include.core.spec import FeatureSet
from operators.lifecycle import feature_set_dags, lifecycle_dags
spec = load_owner(*sys.argv[1:])
dags = feature_set_dags(spec) if isinstance(spec, FeatureSet) else lifecycle_dags(spec)
for dag in dags:
    dag.check_cycle()
    json.dumps(DagSerialization.to_dict(dag), default=str)
print(json.dumps([[dag.dag_id, len(dag.tasks)] for dag in dags]))
"""


def check_dags(model: str, settings: Settings) -> str:
    """The ids of its DAGs. Raises SpecError with the end of the traceback where they cannot be made."""
    with scratch_folder(settings.scratch()) as home:
        own = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "false", "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        done = subprocess.run(
            [sys.executable, "-c", _MAKE, model, settings.models],
            env={**child_environment(settings), **own},
            capture_output=True, text=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    if done.returncode:
        raise SpecError(
            f"The DAGs of {model} cannot be made.",
            seen="\n".join(done.stderr.strip().splitlines()[-3:]),
            safe="the DAGs of other models are not touched.",
            hint="mend what the last line says; `slipstream --debug check` shows more.",
        )
    dags = json.loads(done.stdout.splitlines()[-1])
    return f"{len(dags)} DAGs: {', '.join(f'{name} ({tasks} tasks)' for name, tasks in dags)}"


def has_airflow() -> bool:
    """A model's repository may be checked where Airflow is not installed."""
    return find_spec("airflow") is not None
