"""Row: a run, its metrics, and a version if a search finds none: MLflow as its documentation shows it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from include.core.fault import point
from tests.chaos.protocol import Absent, Backends, Call, Cell, Clear, Cut, Down, Kill, Overlap, Pause, State, Variant
from tests.chaos.stock.step import StockStep, trial_id
from tests.chaos.world import World

MLFLOW = Backends(registry="mlflow")
MODEL = "stock"
MIDDLE = ("stock.run", "stock.metrics")
ANYWHERE = ("stock.begin", *MIDDLE, "stock.searched")


class Register(StockStep):
    name = "mlflow_register"
    title = "register: search, then create"
    promise = "one run and one version; every metric present, once"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.begin",)), MLFLOW),),
        "F2": (Variant(Kill(("stock.version",)), MLFLOW),),
        "F3": (Variant(Kill(MIDDLE), MLFLOW),),
        "F4": (Variant(Kill(("stock.done",)), MLFLOW),),
        "F5": (Variant(Cut("registry"), MLFLOW),),
        "F6": Absent("the files are the server's"),
        "F7": (Variant(Pause(ANYWHERE), MLFLOW),),
        "F8": (Variant(Overlap(ANYWHERE), MLFLOW),),
        "F9": (Variant(Clear(), MLFLOW),),
        "F10": (Variant(Down("registry"), MLFLOW),),
    }

    def work(self, world: World, call: Call) -> Any:
        client, key = connect(world), trial_id(world)
        experiment = client.get_experiment_by_name(MODEL)
        number = experiment.experiment_id if experiment else client.create_experiment(MODEL)
        run = client.create_run(number, tags={"key": key})
        point("stock.run")
        for step in range(3):
            client.log_metric(run.info.run_id, "loss", 1.0 / (step + 1), step=step)
            point("stock.metrics")
        client.set_terminated(run.info.run_id)
        found = client.search_model_versions(f"name = '{MODEL}' and tag.key = '{key}'")
        point("stock.searched")
        if not found:
            client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id, tags={"key": key})
            point("stock.version")
        return "registered"

    def left(self, world: World) -> State:
        client, key = connect(world), trial_id(world)
        experiment = client.get_experiment_by_name(MODEL)
        runs = client.search_runs([experiment.experiment_id], f"tags.key = '{key}'")
        rows = [len(client.get_metric_history(run.info.run_id, "loss")) for run in runs]
        versions = client.search_model_versions(f"name = '{MODEL}' and tag.key = '{key}'")
        return {"runs": len(runs), "versions": len(versions), "metric rows": sum(rows)}


def connect(world: World) -> Any:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # A server that is down is the retry's business, as in ours: not minutes of the client's own patience.
    os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": world.servers.mlflow_password}
    os.environ |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    url = "http://{}:{}".format(*world.at("registry"))
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    try:
        client.create_registered_model(MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client


STEP = Register()
