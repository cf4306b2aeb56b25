"""Which scikit-learn classifiers can be served: each scores as it did, or is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from include.backends.sklearn.export import WORKS, export_classifier
from include.core.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
X[:, 3] = RNG.integers(0, 5, 300)
X[:, 2] = np.round(X[:, 2], 1)  # thresholds fall between neighbouring float32
Y = (X[:, 0] + X[:, 2] + 0.3 * RNG.normal(size=300) > 0).astype(int)
HOLES = np.where(RNG.random(X.shape) < 0.2, np.float32(np.nan), X)

FULL: list[Any] = [
    LogisticRegression(), HistGradientBoostingClassifier(max_iter=20), GradientBoostingClassifier(n_estimators=10),
    RandomForestClassifier(10), ExtraTreesClassifier(10), DecisionTreeClassifier(), MLPClassifier((4,), max_iter=20),
    GaussianNB(),
]  # fmt: skip
MISSING: list[Any] = [
    HistGradientBoostingClassifier(max_iter=20),
    make_pipeline(SimpleImputer(), LogisticRegression()),
    make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=5)),
]  # fmt: skip


def exported(model: Any, path: Path) -> onnxruntime.InferenceSession:
    export_classifier(model, 4, path / "model.onnx")
    return onnxruntime.InferenceSession(str(path / "model.onnx"))


def gap(model: Any, session: onnxruntime.InferenceSession, rows: Any) -> float:
    return float(np.abs(session.run(None, {"features": rows})[0] - model.predict_proba(rows)[:, 1]).max())


def hostile(rows: Any) -> Any:
    """Neighbours of the values trained on, unknown codes, large numbers."""
    near = [np.nextafter(rows, np.float32(np.inf)), np.nextafter(rows, np.float32(-np.inf))]
    return np.concatenate([rows, *near, np.full((1, 4), -1, np.float32), np.full((1, 4), 1e6, np.float32)]).astype(np.float32)


@pytest.mark.parametrize("model", FULL, ids=lambda model: type(model).__name__)
def test_a_classifier_scores_in_its_file_as_it_did(model: Any, tmp_path: Path) -> None:
    model.fit(X, Y)
    assert gap(model, exported(model, tmp_path), hostile(X)) < 1e-4
    assert type(model).__name__ in WORKS


@pytest.mark.parametrize("model", MISSING, ids=lambda model: type(model).__name__)
def test_missing_values_go_where_they_went(model: Any, tmp_path: Path) -> None:
    model.fit(HOLES, Y)
    assert gap(model, exported(model, tmp_path), hostile(HOLES)) < 1e-4


@pytest.mark.parametrize("fitted_on", [X, HOLES], ids=["no gaps", "gaps"])
@pytest.mark.parametrize(
    "model",
    [DecisionTreeClassifier(), ExtraTreeClassifier(), RandomForestClassifier(10), ExtraTreesClassifier(10)],
    ids=lambda model: type(model).__name__,
)
def test_trees_send_a_missing_value_where_they_did_whatever_they_were_fitted_on(
    model: Any, fitted_on: Any, tmp_path: Path
) -> None:
    model.fit(fitted_on, Y)
    assert gap(model, exported(model, tmp_path), hostile(HOLES)) < 1e-4


def test_an_ensemble_whose_file_sends_missing_values_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="for missing values the file's scores differ"):
        exported(BaggingClassifier(random_state=7).fit(X, Y), tmp_path)


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        (DummyClassifier(), Y),
        (RidgeClassifier(), Y),
        (HistGradientBoostingClassifier(max_iter=5, categorical_features=[3]), Y),
        (LogisticRegression(), RNG.integers(0, 3, 300)),
    ],
    ids=["unknown to skl2onnx", "no probability", "native categories", "three classes"],
)
def test_what_cannot_be_exported_is_refused_and_names_what_can(model: Any, labels: Any, tmp_path: Path) -> None:
    model.fit(X, labels)
    with pytest.raises(
        DataError, match=f"(?s)^{type(model).__name__} cannot be exported.*HistGradientBoostingClassifier"
    ) as refused:
        exported(model, tmp_path)
    assert len(str(refused.value)) < 1500
    assert not list(tmp_path.iterdir())
