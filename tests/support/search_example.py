"""What trials of a search share, of the small training set of `training_example`; and fits for them."""

from __future__ import annotations

from typing import Any

from include.core.reference import load
from include.core.spec import Binary, Features
from include.model_contract.encoder import Encoder
from include.problems.of import problem_of
from include.training.job import TrainingJob
from include.training.search.leg import Material
from include.training.split import split_newest
from include.training.train_step import encoded_rows
from tests.support.training_example import FEATURES, NETWORK, table

HERE = "tests.support.search_example"
PARAMS = {**NETWORK, "epochs": 4, "hidden": 8}  # 16 steps an epoch


def material(fit: str = f"{HERE}:fit_network", whole: int = 4, metric: str = "log_loss") -> Material:
    older, newer = split_newest(table())
    encoder, problem = Encoder.fit(older, Features(**FEATURES).inputs, "late", "tensor"), problem_of(Binary())
    train, validation = (encoded_rows(encoder, each, "late", problem) for each in (older, newer))
    return Material(train, validation, encoder.to_json(), fit, 3, metric, whole)


def fit_network(job: TrainingJob) -> None:
    from include.backends.ray.train import fit_lightning
    from include.models.flight_delay.train import build

    fit_lightning(job, build)


def fit_that_stops(job: TrainingJob) -> None:
    """Ends by itself after its second epoch."""
    from include.backends.ray.train import fit_lightning

    fit_lightning(job, build_that_stops)


def build_that_stops(plan: Any, features: Any) -> Any:
    from pytorch_lightning.callbacks import EarlyStopping

    from include.models.flight_delay.network import FlightDelay

    class Stops(FlightDelay):
        def configure_callbacks(self) -> Any:
            return [EarlyStopping("train_loss", patience=1, min_delta=10.0)]

    return Stops(plan, features)


def fit_wrong(job: TrainingJob) -> None:
    """Fails as its parameter `wrong` says."""
    kinds: dict[str, Any] = {
        "value": ValueError("no such width"),
        "memory": MemoryError("of 3 GB"),
        "runtime": RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
        "network": ConnectionError("reset by peer"),
    }
    if job.params["wrong"] == "nan":
        job.rung.reach(1, job.validation.labels * float("nan"))  # type: ignore[union-attr]
    raise kinds[str(job.params["wrong"])]


def fit_logistic(job: TrainingJob) -> None:
    load("tests.support.training_example:fit_logistic")(job)
