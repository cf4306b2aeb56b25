"""scikit-learn in an author's `fit`: pipelines of one tensor or of columns, texts included, for every kind of problem.

    from include.backends.sklearn.trainer import finish, frame

    def fit(job):  # training.inputs="columns"
        numbers, words = ["rating", "age"], "review"
        filled = make_pipeline(SimpleImputer(), StandardScaler())  # a number may be missing
        columns = ColumnTransformer([("words", TfidfVectorizer(min_df=3), words), ("numbers", filled, numbers)])
        model = Pipeline([("columns", columns), ("classes", LogisticRegression(max_iter=500))])
        model.fit(frame(job.train), job.train.labels)
        finish(model, job)

Nothing is pickled: the file is ONNX, and training refuses it unless it gives the model's own predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.trained import finish as finish_trained
from include.backends.onnx.trained import of_validation
from include.backends.sklearn.estimator import export_estimator
from include.training.job import Floats, Rows, TrainingJob


def frame(rows: Rows) -> Any:
    """The rows as an estimator is fitted on them: float32 [n, inputs], or a pandas DataFrame where the model takes columns.

    A vector is a column a number there, `embedding[0]` and so on; a category and a text are text.
    """
    if rows.columns is None:
        return rows.features
    import pandas as pd

    made: dict[str, Any] = {}
    for name, array in rows.columns.items():
        if array.ndim == 2:
            made |= {f"{name}[{place}]": array[:, place] for place in range(array.shape[1])}
        else:
            made[name] = array
    return pd.DataFrame(made)


def finish(model: Any, job: TrainingJob) -> None:
    """Write the fitted estimator (a pipeline, too) to `job.model_path`, and say what it predicts of the validation rows.

    :param model: one with `predict_proba` where the outputs are probabilities, else with `predict`; or an estimator an output by
        its name, `{"value": ..., "low": ..., "high": ...}`
    Raises DataError for one that cannot be converted, or whose classes are not the problem's.
    """

    def predict(each: Any, outputs: Sequence[str]) -> Any:
        return of_validation(job, lambda rows: predictions(each, frame(rows), outputs))

    finish_trained(model, job, _write(job), predict)


def _write(job: TrainingJob) -> Any:
    def write(model: Any, outputs: Sequence[str], path: Path) -> None:
        export_estimator(model, job.encoder if job.named else len(job.inputs), outputs, path)

    return write


def predictions(model: Any, rows: Any, outputs: Sequence[str]) -> Floats:
    """The estimator's own outputs: [n] of one, [n, k] of several."""
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(rows)
        return np.asarray(found[:, 1] if len(outputs) == 1 else found, dtype=np.float32)
    return np.asarray(model.predict(rows), dtype=np.float32)


Models = Mapping[str, Any]
