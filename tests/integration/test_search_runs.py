"""The trials of a search reach a real MLflow once each, below the run of the search: through a kill, and after an outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from include.backends.mlflow.registry import open_registry
from include.backends.mlflow.trials import PARENT, deliver, tracking
from include.core.control import ControlStore
from include.core.ledger import metrics_folder
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.problems.metric import Metric, mean_of
from include.training.search.followed import Spools
from include.training.search.records import Decision, Found
from include.training.search.trials import Trials
from tests.support.mlflow_server import PASSWORD, mlflow_server

LOSS = Metric("log loss", mean_of(lambda truth, outputs: outputs), higher_is_better=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    url = mlflow_server()
    connection = url.replace("//", f"//admin:{PASSWORD}@")
    return Settings(mlflow_url=url, root=str(tmp_path), environ={"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": connection})


def search(storage: LocalStorage, folder: str, trials: int) -> None:
    """So many trials of two epochs each; to hear them again changes nothing."""
    known, spools = Trials(2), Spools(storage, folder, LOSS)
    for number in range(trials):
        known.begin(Decision("start", number, 2, {"rate": 0.1 * number, "kind": "a"}, number))
        history = [{"epoch": 1, "step": 8, "train_loss": 0.9}, {"epoch": 2, "step": 16, "train_loss": 0.8}]
        known.tell(number, Found(0.7 - number / 10, 2, history, 1.0))
        spools.hear(known, known.all[number])


def runs(settings: Settings, model: str, tmp_path: Path) -> dict[str, dict[str, object]]:
    """By name: the parameters, each metric's points, and the name of the parent."""
    client: MlflowClient = open_registry(settings, ControlStore(f"sqlite:///{tmp_path / 'c.db'}")).client
    experiment = client.get_experiment_by_name(model)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    names = {run.info.run_id: run.info.run_name for run in found}
    assert len(set(names.values())) == len(found), "a run is there twice"
    return {
        run.info.run_name: {
            "params": run.data.params,
            "points": {
                name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            },
            "parent": names.get(run.data.tags.get(PARENT, "")),
            "status": run.info.status,
        }
        for run in found
    }


def test_trials_are_child_runs_with_their_parameters_and_each_metric_once(settings: Settings, tmp_path: Path) -> None:
    storage, model = LocalStorage(settings.root), f"searched-{tmp_path.name}"
    folder = metrics_folder("tune/one", 0)
    with tracking(settings, storage, folder, model):
        search(storage, folder, 2)
    with tracking(settings, storage, folder, model):  # the next attempt hears all of them again, and one more
        search(storage, folder, 3)
    found = runs(settings, model, tmp_path)
    assert set(found) == {f"{model} search", *(f"{model} trial {n}" for n in range(3))}
    last = found[f"{model} trial 2"]
    assert last["params"] == {"rate": "0.2", "kind": "a"}
    assert last["points"] == {"train_loss": [(1, 0.9), (2, 0.8)], "rung": [(2, 0.5)]}
    assert last["parent"] == f"{model} search"
    assert found[f"{model} search"]["points"] == {"best": [(2, 0.7), (4, 0.6), (6, 0.5)]}
    assert {run["status"] for run in found.values()} == {"FINISHED"}


def test_what_an_outage_kept_back_is_delivered_afterwards(settings: Settings, tmp_path: Path) -> None:
    storage, model = LocalStorage(settings.root), f"late-{tmp_path.name}"
    folder = metrics_folder("tune/two", 0)
    with tracking(Settings(mlflow_url="http://127.0.0.1:1", root=settings.root), storage, folder, model):
        search(storage, folder, 2)
    assert deliver(settings, storage, folder, model) == 2 + 2 * 3
    assert deliver(settings, storage, folder, model) == 0
    assert set(runs(settings, model, tmp_path)) == {f"{model} search", f"{model} trial 0", f"{model} trial 1"}
