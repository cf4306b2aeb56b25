"""Which vendor stands behind each port: names to import strings, so that a stage imports no vendor."""

from __future__ import annotations

from typing import Any

from include.core.reference import load

ADAPTERS: dict[str, str] = {
    # open_model(path: Path) -> Model: scores rows with an ONNX file (include/model_contract/model.py has the port)
    "model": "include.backends.onnx.model:open_model",
    # check_model(path: Path, inputs: int) -> None: refuses a model file that serving could not hold to
    "model.check": "include.backends.onnx.model:check_model",
    # quantize(source: Path, target: Path) -> None: the model with INT8 weights
    "model.quantize": "include.backends.onnx.model:quantize",
    # open_online(url: str) -> OnlineStore (include/online_store/store.py has the port)
    "online": "include.backends.online:open_online",
    # LoggedStore(store: OnlineStore, storage: Storage): keeps pushed rows of views that ask for it, offline
    "online.kept": "include.features.online.pushed:LoggedStore",
    # (store: OnlineStore or control: ControlStore, spec: ModelSpec) -> samples of the gateway's metrics page
    "health.features": "include.features.online.freshness:samples",
    # (store: OnlineStore, spec: ModelSpec, views, published) -> names of the views that are published and have no row online
    "features.lost": "include.features.online.presence:empty_views",
    # (control: ControlStore, model: str) -> what is published of a model: the last argument above
    "features.published": "include.features.online.presence:published_rows",
    "health.skew": "include.features.skew.findings:samples",
    "health.monitoring": "include.monitoring.alarm:samples",
    # open_registry(settings: Settings, control: ControlStore) -> Registry (include/governance/registry.py has the port)
    "registry.mlflow": "include.backends.mlflow.registry:open_registry",
    "registry.folder": "include.governance.folder_registry:open_registry",
    # open_labels(settings, control) -> the part of the Registry port that shows stages (include/governance/mirror.py); light
    "labels.mlflow": "include.backends.mlflow.labels:open_labels",
    "labels.folder": "include.governance.folder_registry:open_registry",
    # tracking(settings, storage, folder, model) -> context: delivers a training's metric spool while the body runs
    "tracking.mlflow": "include.backends.mlflow.tracking:tracking",
    # open_jobs(settings: Settings) -> JobBackend
    "jobs.ray": "include.backends.ray.jobs:open_jobs",
    "jobs.process": "include.backends.process.jobs:open_jobs",
    # open_expectations() -> ExpectationRunner (include/validation/port.py has the port)
    "expectations": "include.backends.great_expectations.expectations:open_expectations",
    # drift_report(current, reference: pyarrow.Table, features, head: str) -> str: one HTML page that opens offline
    "drift_report": "include.backends.evidently.report:drift_report",
    # score_batches(rows: pyarrow.Table, scorer: Scorer) -> list[pyarrow.Table], in order, on Ray Data
    "batches.ray": "include.backends.ray.data:score_batches",
}


def adapter(name: str) -> Any:
    """The factory registered under a port's name."""
    return load(ADAPTERS[name])
