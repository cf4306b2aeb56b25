"""Estimators in memory: the formats that they write themselves, and scikit-learn's as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.core.errors import DataError
from include.governance.conversion import format_of, write_served
from include.handover.estimator import write_estimator
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import open_model

BACKENDS = Path(__file__).parents[1] / "backends"
NAMES = ("heat", "wind", "size", "rain")
ROWS = np.random.default_rng(3).normal(size=(200, 4)).astype(np.float32)


class Booster:
    """As XGBoost's: it can be sliced by rounds, and writes itself."""

    __module__ = "xgboost.core"

    def __init__(self, rounds: slice | None = None) -> None:
        self.rounds = rounds

    def __getitem__(self, rounds: slice) -> Booster:
        return Booster(rounds)

    def save_raw(self, kind: str) -> bytearray:
        assert kind == "json"
        seen = "" if self.rounds is None else f" {self.rounds.stop}"
        return bytearray((BACKENDS / "xgboost" / "recorded.json").read_bytes() + seen.encode())


class Classifier:
    __module__ = "xgboost.sklearn"
    early_stopping_rounds: int | None = None
    best_iteration = 4

    def get_booster(self) -> Booster:
        return Booster()


class Trees:
    """As LightGBM's booster."""

    __module__ = "lightgbm.basic"

    def model_to_string(self) -> str:
        return (BACKENDS / "lightgbm" / "recorded.txt").read_text()


class Wrapped:
    __module__ = "lightgbm.sklearn"
    booster_ = Trees()


@pytest.mark.parametrize(
    ("model", "expected"), [(Booster(), "xgboost"), (Classifier(), "xgboost"), (Trees(), "lightgbm"), (Wrapped(), "lightgbm")]
)
def test_boosters_write_themselves(tmp_path: Path, model: Any, expected: str) -> None:
    path = write_estimator(model, NAMES, tmp_path)
    assert format_of(path) == expected
    encoder = Encoder(tuple(Input(name, "float") for name in NAMES), "late")
    write_served(path, encoder, tmp_path / "served.onnx")
    assert open_model(tmp_path / "served.onnx").inputs == 4


def test_of_one_that_was_stopped_early_the_rounds_that_predict_are_written(tmp_path: Path) -> None:
    model = Classifier()
    model.early_stopping_rounds = 3
    assert write_estimator(model, NAMES, tmp_path).read_bytes().endswith(b" 5")


def test_what_is_no_estimator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no estimator that can be converted"):
        write_estimator(object(), NAMES, tmp_path)


def fitted(width: int = 4) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(ROWS[:, :width], (ROWS[:, 0] > 0).astype(int))


def test_a_classifier_of_scikit_learn_becomes_onnx(tmp_path: Path) -> None:
    path = write_estimator(fitted(), NAMES, tmp_path)
    assert open_model(path).score(ROWS) == pytest.approx(fitted().predict_proba(ROWS)[:, 1], abs=1e-5)


def test_one_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected, in this order: heat, wind, size, rain") as refused:
        write_estimator(fitted(3), NAMES, tmp_path)
    assert "3 columns without names" in str(refused.value)


def test_a_pipeline_that_parts_columns_keeps_them(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.DataFrame({"colour": np.where(ROWS[:, 1] > 0, "red", "blue"), "heat": ROWS[:, 0]})
    parts = [("text", OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("number", StandardScaler(), ["heat"])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(frame, (ROWS[:, 0] > 0).astype(int))
    path = write_estimator(model, ("heat", "colour"), tmp_path)  # found by name: any order
    encoder = Encoder((Input("heat", "float", 0.0), Input("colour", "category", None, ("blue", "red"))), "late")
    write_served(path, encoder, tmp_path / "served.onnx")
    scores = open_model(tmp_path / "served.onnx").score(encoder.encode_rows(frame.to_dict("records")))
    assert scores == pytest.approx(model.predict_proba(frame)[:, 1], abs=1e-5)
    with pytest.raises(DataError, match="Expected, in this order: heat, shade"):
        write_estimator(model, ("heat", "shade"), tmp_path)
