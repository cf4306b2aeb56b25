"""XGBoost in an author's `fit`: what it is given is a trained booster, or one of its estimators.

    import xgboost
    from include.backends.xgboost.trainer import finish

    def fit(job):
        rows = xgboost.DMatrix(job.train.features, job.train.labels, weight=job.train.weights)
        finish(xgboost.train({"objective": "reg:absoluteerror", "seed": job.seed}, rows, 200), job)

A set that does not fit into memory (`training.memory_rows`) is read in batches, and held as bins, a byte a number:

        finish(xgboost.train({"objective": "binary:logistic", "max_bin": 256}, quantile_matrix(job.train), 200), job)

| problem | objective |
|---|---|
| Binary | binary:logistic |
| Regression | reg:squarederror, absoluteerror, pseudohubererror, quantileerror, gamma or tweedie; count:poisson |
| Regression with an interval | three boosters: {"value": ..., "low": ..., "high": ...}, the bounds by reg:quantileerror |
| MultiClass | multi:softprob |
| Ranking | rank:ndcg, rank:map, rank:pairwise, with qid=job.train.queries |
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.trained import finish_numbers, of_validation
from include.backends.xgboost.convert import convert
from include.core.scratch import scratch_folder
from include.training.job import Floats, Rows, TrainingJob


def quantile_matrix(rows: Rows, max_bin: int = 256, **more: Any) -> Any:
    """An `xgboost.QuantileDMatrix` of the rows with their labels and weights, made of batches in a few passes.

    It takes a byte a number and some for each row, where arrays take four. `more`: its other arguments, such as `ref`, the matrix
    whose bins a second one shares. The booster must be trained with the same `max_bin`.
    """
    xgboost: Any = importlib.import_module("xgboost")  # it is in no lock: whoever trains with it has it

    class Batches(xgboost.DataIter):  # type: ignore[misc] # of no known type
        def __init__(self) -> None:
            super().__init__()
            self._left = rows.batches()

        def next(self, input_data: Any) -> bool:
            batch = next(self._left, None)
            if batch is None:
                return False
            input_data(data=batch.features, label=batch.labels, weight=batch.weights)
            return True

        def reset(self) -> None:
            self._left = rows.batches()

    return xgboost.QuantileDMatrix(Batches(), max_bin=max_bin, **more)


def finish(model: Any, job: TrainingJob) -> None:
    """Write the trained model to `job.model_path`, and say what it predicts of the validation rows. No pickle is written.

    :param model: a Booster, an estimator such as XGBRegressor, or one an output by its name
    Raises DataError for an objective that is not the problem's, SpecError for a model that takes columns.
    """
    names = [each.name for each in job.inputs]
    finish_numbers(
        "XGBoost", model, job, lambda each, outputs, path: write(each, names, outputs, path),
        lambda each, _: of_validation(job, lambda rows: predictions(each, rows.features)),
    )  # fmt: skip


def write(model: Any, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
    """Write a trained model as ONNX: by its own JSON format, of the rounds that predict."""
    with scratch_folder() as folder:
        written = folder / "model.json"
        written.write_bytes(bytes(chosen(model).save_raw("json")))
        convert(written, inputs, path, outputs)


def predictions(model: Any, features: Floats) -> Any:
    """What the rounds that predict give for the rows: float32 [n] or [n, k]."""
    return chosen(model).inplace_predict(np.asarray(features, dtype=np.float32), validate_features=False)


def chosen(model: Any) -> Any:
    """The booster; of one that was stopped early its rounds up to the best."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    best = booster.attributes().get("best_iteration")
    return booster if best is None else booster[: int(best) + 1]
