"""A small training set with signal, and a fit in scikit-learn, for the tests of training and evaluation."""

from __future__ import annotations

import json
import os
import pickle
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.digest import digest_file
from include.core.ledger import Ledger
from include.core.request import Json, Outcome, Request, Result
from include.core.settings import Settings
from include.training.job import Floats, TrainingJob

if TYPE_CHECKING:
    from include.backends.lightning.plan import Plan
    from include.models.flight_delay.network import FlightDelay

HERE = "tests.support.training_example"
FEATURES: dict[str, Json] = {
    "build": "x:y", "entities": "x:y", "labels": "x:y", "views": [],
    "request": [{"name": "wind"}, {"name": "hour", "dtype": "int"}, {"name": "carrier", "dtype": "category"}],
}  # fmt: skip
NETWORK = {"epochs": 3, "batch_size": 64, "learning_rate": 5e-3, "hidden": 16, "dropout": 0.1, "bins": 4, "checkpoint_every": 2}


def table(rows: int = 1200, seed: int = 0) -> pa.Table:
    """`late` depends on the wind and the carrier; a tenth of the winds are missing."""
    draw = np.random.default_rng(seed)
    wind, hour, carrier = draw.normal(size=rows), draw.integers(0, 24, rows), draw.integers(0, 4, rows)
    late = draw.random(rows) < 1 / (1 + np.exp(1 - 1.5 * wind - (carrier - 1.5)))
    start = datetime.fromisoformat("2013-01-01")
    return pa.table(
        {
            "request_id": [f"r{i}" for i in range(rows)],
            "event_timestamp": pa.array([start + timedelta(minutes=7 * i) for i in range(rows)], pa.timestamp("us")),
            "wind": np.where(draw.random(rows) < 0.1, np.nan, wind),
            "hour": hour,
            "carrier": [f"C{code}" for code in carrier],
            "late": late.astype(np.int8),
        }
    )


def settings(home: Path) -> Settings:
    ours = {"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_JOB_BACKEND": "process", "SLIPSTREAM_REGISTRY": "folder"}
    return Settings.from_env({**os.environ, **ours})


def commit(ledger: Ledger, request: Request, outcome: Outcome) -> Result:
    return ledger.commit(request, ledger.open_attempt(request.key, 0), outcome, 0.1)


def training_set(ledger: Ledger, folder: Path, train: pa.Table, holdout: pa.Table) -> Result:
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / name for name in ("train.parquet", "holdout.parquet")}
    for path, rows in zip(files.values(), (train, holdout), strict=True):
        pq.write_table(rows, path)
    contents = {name: digest_file(path) for name, path in files.items()}
    request = Request("training_set", "x:y", "example", contents)
    return commit(ledger, request, Outcome({"rows": len(train)}, files))


def train_request(ledger: Ledger, data: Result, fit: str = f"{HERE}:fit_logistic", **training: Json) -> Request:
    params = {"features": FEATURES, "training": {"fit": fit, **training}, "label": "late"}
    request = Request("train", "include.training.train_step:run", "example", params, {"training_set": ledger.ref(data)})
    ledger.record(request)
    return request


# -- fits --------------------------------------------------------------------------------------------------


def fit_logistic(job: TrainingJob) -> None:
    """Logistic regression over imputed numbers, as ONNX: another library than torch."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(SimpleImputer(), LogisticRegression(C=float(job.params.get("c", 1.0))))
    model.fit(job.train.features, job.train.labels)
    _write(job, to_onnx(model, initial_types=[("features", FloatTensorType([None, 3]))], options={"zipmap": False}))
    job.expect(model.predict_proba(job.validation.features)[:, 1])
    job.report({"train_accuracy": model.score(job.train.features, job.train.labels)}, step=1)


def _write(job: TrainingJob, proto: object) -> None:
    """Keep the positive class's probability as the one output `score` [n]."""
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph  # type: ignore[attr-defined]
    graph.initializer.append(numpy_helper.from_array(np.array(1), "one"))
    graph.node.append(helper.make_node("Gather", [graph.output[1].name, "one"], ["score"], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]))
    job.model_path.write_bytes(proto.SerializeToString())  # type: ignore[attr-defined]


def fit_pickle(job: TrainingJob) -> None:
    job.model_path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))


def fit_nothing(job: TrainingJob) -> None:
    del job


def fit_killed(job: TrainingJob) -> None:
    """The flight-delay fit; the first time, the process that saves its fifth checkpoint is killed -9 right after."""
    from include.backends.ray.train import fit_lightning

    fit_lightning(job, build_mortal)


def build_mortal(plan: Plan, features: Floats) -> FlightDelay:
    """Runs in each worker, where the kill has to be set up."""
    from include.models.flight_delay.train import build

    _die_once(Path(str(plan.params["mark"])))
    return build(plan, features)


def _die_once(mark: Path) -> None:
    from include.training.checkpoint import CheckpointStore

    save = CheckpointStore.save_step

    def save_and_die(store: CheckpointStore, step: int, data: bytes) -> None:
        save(store, step, data)
        if step == 10 and not mark.exists():
            mark.write_text(json.dumps(store.steps()))
            os.kill(os.getpid(), signal.SIGKILL)

    CheckpointStore.save_step = save_and_die  # type: ignore[method-assign, assignment]
