"""Imports everything that a trial's children need, before they are forked. Imports only: no thread, no client."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import threading
import time
import warnings

# No library reports to anybody what is tested.
QUIET = {
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "SCARF_ANALYTICS": "false",
}
# One thread each: there are more processes of the tests than cores, and a library's idle threads turn in circles, which takes up
# to ten times the processor time of the computation itself.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
# Compiling what shap has numba compile takes five seconds a process; on the few rows of a test Python needs hundredths.
PLAIN = {"NUMBA_DISABLE_JIT": "1"}
OF_CHILDREN = {**QUIET, **THREADS, **PLAIN, "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}

ALWAYS = (
    "airflow.sdk", "duckdb", "pyarrow.parquet", "sqlalchemy", "onnx", "onnxruntime", "operators.hooks",
    # Every step stands on a published day.
    "include.backends.great_expectations.expectations", "include.backends.feast.materialize",
    # What most children would otherwise import each.
    "include.backends.feast.retrieval", "include.backends.sqlite.online_store", "include.features.skew_step",
    "include.features.online.pushed", "include.data.window", "include.governance.jobs",
)  # fmt: skip
MODULES = {
    "drift": ("evidently.presets", "include.monitoring.retraining.decision", "include.rollout_state.queries"),
    "checkpoint": ("include.backends.lightning.fit", "include.backends.ray.train", "onnxscript"),
    "search": ("include.backends.lightning.fit", "include.backends.ray.train", "include.backends.optuna.tpe"),
    "checkpoint_sagemaker": ("include.backends.lightning.fit", "include.backends.ray.train", "onnxscript"),
    "register": ("include.backends.mlflow.registry",),
    "traffic": ("include.gateway.host", "uvloop", "uvicorn"),
    "s3": ("include.backends.s3.storage", "airflow.providers.amazon.aws.hooks.base_aws"),
    "redis": ("include.backends.redis.online_store",),
    "dynamodb": ("include.backends.dynamodb.online_store", "airflow.providers.amazon.aws.hooks.base_aws"),
    "postgres": ("psycopg2",),
    "ray": ("httpx",),
    "sagemaker": ("httpx", "include.backends.sagemaker.jobs", "include.backends.s3.storage",
                  "airflow.providers.amazon.aws.hooks.s3", "airflow.providers.amazon.aws.hooks.base_aws"),
}  # fmt: skip


def prepare_process() -> None:
    """Before anything of Airflow is imported."""
    for name, value in OF_CHILDREN.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="slipstream-airflow-"))
    warnings.filterwarnings("ignore")


def warm_up(names: set[str]) -> float:
    """Import what the named steps and servers need; seconds it took."""
    began = time.monotonic()
    for name in (*ALWAYS, *(module for wanted in sorted(names) for module in MODULES.get(wanted, ()))):
        importlib.import_module(name)
    gc.freeze()  # else the first look for garbage in a child copies every page of what was imported: .3 s each
    if threading.active_count() > 1:
        print(f"warning: {threading.active_count()} threads before the forks", file=sys.stderr)
    return time.monotonic() - began
