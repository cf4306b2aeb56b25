"""For every test, also under a bare `pytest`: no library phones home, and Airflow's home is none of the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import Any

from tests.scheduling import ByServer

QUIET = {
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "SCARF_ANALYTICS": "false",
}

for _name, _value in QUIET.items():
    os.environ.setdefault(_name, _value)

if "AIRFLOW_HOME" not in os.environ:  # read when airflow is first imported, so it must be set before any test module is
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="slipstream-airflow-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "false")


def pytest_xdist_make_scheduler(config: Any, log: Any) -> ByServer:
    return ByServer(config, log)
