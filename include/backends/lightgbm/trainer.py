"""LightGBM in an author's `fit`. Needs no LightGBM itself: what it is given is a trained booster, or one of its estimators.

    import lightgbm
    from include.backends.lightgbm.trainer import finish

    def fit(job):
        rows = lightgbm.Dataset(job.train.features, job.train.labels, weight=job.train.weights)
        finish(lightgbm.train({"objective": "multiclass", "num_class": len(job.outputs), "seed": job.seed}, rows, 200), job)

| problem | objective |
|---|---|
| Binary | binary |
| Regression | regression, regression_l1, huber, fair, quantile, mape; poisson, gamma, tweedie |
| Regression with an interval | three boosters: {"value": ..., "low": ..., "high": ...}, objective quantile for the bounds |
| MultiClass | multiclass |
| Ranking | lambdarank, rank_xendcg; groups: numpy.unique(job.train.queries, return_counts=True)[1] |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from include.backends.lightgbm.convert import convert
from include.backends.onnx.trained import finish_numbers, of_validation
from include.core.scratch import scratch_folder
from include.training.job import TrainingJob


def finish(model: Any, job: TrainingJob) -> None:
    """Write the trained model to `job.model_path`, and say what it predicts of the validation rows. No pickle is written.

    :param model: a Booster, an estimator such as LGBMRegressor, or one an output by its name
    Raises DataError for an objective that is not the problem's, SpecError for a model that takes columns.
    """
    names = [each.name for each in job.inputs]
    finish_numbers(
        "LightGBM", model, job, lambda each, outputs, path: write(each, names, outputs, path),
        lambda each, _: of_validation(job, lambda rows: booster_of(each).predict(rows.features)),
    )  # fmt: skip


def write(model: Any, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
    """Write a trained model as ONNX: by its own text format, of the iterations that predict."""
    with scratch_folder() as folder:
        text = folder / "model.txt"
        text.write_text(booster_of(model).model_to_string())
        convert(text, inputs, path, outputs)


def booster_of(model: Any) -> Any:
    return getattr(model, "booster_", model)
