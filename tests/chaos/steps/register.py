"""Row: track and register. One MLflow run and one version a key, every metric in it, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.protocol import (
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Finding,
    Full,
    Kill,
    Locked,
    Overlap,
    Pause,
    State,
    Variant,
)
from tests.chaos.steps.common import PUBLISHED, Holdings, OperatorStep, compare, life, snapshot
from tests.chaos.world import World
from tests.support.operator_runs import MODEL
from tests.support.wired import (
    CheckGateOperator,
    EvaluateModelOperator,
    RegisterModelOperator,
    TrainModelOperator,
    ValidateTrainingSetOperator,
)

BEFORE = ("reconcile.begin", "control.taken", "register.publish")
MIDDLE = (
    "mlflow.run.created", "mlflow.metrics.logged", "mlflow.artifacts.logged", "storage.upload.renamed",
    "storage.upload.temporary", "storage.create.linked", "storage.write.renamed", "control.once.effect",
)  # fmt: skip
UNRECORDED = ("mlflow.version.created", "register.published", "control.once.begin")
RECORDED = ("control.once.committed", "register.recorded", "register.sent", "reconcile.done")
ANYWHERE = tuple(point for point in (*BEFORE, *MIDDLE, *UNRECORDED, *RECORDED) if point != "control.once.effect")
MLFLOW = Backends(registry="mlflow")
POSTGRES = Backends(registry="mlflow", control="postgres")


def on_both(how: Any) -> tuple[Variant, ...]:
    return (Variant(how, MLFLOW), Variant(how), Variant(how, POSTGRES))


class Register(OperatorStep):
    name = "register"
    title = "track and register"
    promise = "one run and one version a key; every metric present, once"
    base = PUBLISHED
    tasks = ("register",)
    cells: Mapping[str, Cell] = {
        "F1": on_both(Kill(BEFORE)),
        "F2": on_both(Kill(UNRECORDED)),
        "F3": on_both(Kill(MIDDLE)),
        "F4": on_both(Kill(RECORDED)),
        "F5": (Variant(Cut("registry"), MLFLOW), Variant(Cut("control"), POSTGRES)),
        "F6": (Variant(Full()), Variant(Full("store")), Variant(Full("tmp", blocks=2), MLFLOW)),
        "F7": on_both(Pause(ANYWHERE)),
        "F8": on_both(Overlap(ANYWHERE)),
        "F9": (Variant(Clear(), MLFLOW), Variant(Backfill(), MLFLOW), Variant(Clear(), POSTGRES), Variant(Backfill())),
        "F10": (Variant(Down("registry"), MLFLOW), Variant(Down("control"), POSTGRES), Variant(Locked())),
    }

    def operator(self, task: str) -> Any:
        return RegisterModelOperator(task_id=task, model=MODEL)

    def prepare(self, world: World) -> dict[str, Any]:
        run, shop = snapshot(), life()
        run(ValidateTrainingSetOperator(task_id="validate_training_set", model=MODEL))
        run(TrainModelOperator(task_id="train", model=MODEL, where="process"))
        run(EvaluateModelOperator(task_id="evaluate", model=MODEL))
        run(CheckGateOperator(task_id="gate", model=MODEL))
        # Slots share an MLflow server: each has a trained result, and so a registration key, of its own.
        shop.retrained(run, slot=world.number)
        return {"xcom": run.xcom}

    def reset(self, world: World) -> None:
        """Have MLflow forget this slot's key, where a trial before registered it."""
        mlflow = client(world)
        for version in versions(mlflow, world):
            mlflow.delete_model_version(MODEL, version.version)
        for run in runs(mlflow, world):
            mlflow.delete_run(run.info.run_id)

    def state(self, world: World, walks: Sequence[Mapping[str, Any]]) -> State:
        holdings = Holdings()
        made = mlflow_state(client(world), world) if world.on.registry == "mlflow" else folder_state(holdings)
        sent = {name for walk in walks for name, _ in walk["sent"]}
        return {**holdings.state(), "registry": made, "events": sorted(sent)}

    def check(self, twin: State, seen: State) -> list[Finding]:
        findings = compare(twin, seen)
        for what in ("runs", "versions"):
            count = seen["registry"][what]
            if count != 1:
                findings.append(Finding("lost" if count < 1 else "doubled", f"{count} {what} of one key"))
        return findings


def folder_state(holdings: Holdings) -> dict[str, Any]:
    storage = holdings.services.storage
    paths = [path for path in holdings.paths if path.startswith("registry/")]
    packages = [path for path in paths if path.endswith("/package.json")]
    labels = [storage.read(path).decode() for path in paths if path.endswith("/labels.json")]
    return {"runs": 1, "versions": len(packages), "files": paths, "labels": labels}


def mlflow_state(mlflow: Any, world: World) -> dict[str, Any]:
    """By content: what the key's run and version hold. The version's number is whichever came next."""
    found, registered = runs(mlflow, world), versions(mlflow, world)
    metrics = {
        name: [[point.step, point.value, point.timestamp] for point in mlflow.get_metric_history(run.info.run_id, name)]
        for run in found
        for name in run.data.metrics
    }
    return {
        "runs": len(found),
        "versions": len(registered),
        "metrics": metrics,
        "params": [sorted(run.data.params.items()) for run in found],
        "status": [run.info.status for run in found],
        "tags": [sorted(version.tags.items()) for version in registered],
        "artifacts": [sorted(item.path for item in mlflow.list_artifacts(run.info.run_id)) for run in found],
    }


def client(world: World) -> Any:
    import os

    from mlflow import MlflowClient

    os.environ |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": world.servers.mlflow_password}
    url = "http://{}:{}".format(*world.servers.at["registry"])
    return MlflowClient(tracking_uri=url, registry_uri=url)


def runs(mlflow: Any, world: World) -> list[Any]:
    """Those whose training lies in this world's home: the runs of its key."""
    experiment = mlflow.get_experiment_by_name(MODEL)
    found = mlflow.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
    return [run for run in found if _ours(run.data.tags, world)]


def versions(mlflow: Any, world: World) -> list[Any]:
    return [version for version in mlflow.search_model_versions(f"name = '{MODEL}'") if _ours(version.tags, world)]


def _ours(tags: Mapping[str, str], world: World) -> bool:
    return any(str(world.home) in value for value in tags.values())


STEP = Register()
