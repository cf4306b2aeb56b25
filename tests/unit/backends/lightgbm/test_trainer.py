"""LightGBM in a fit: a booster that says what LightGBM once wrote and predicted (`kinds.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightgbm.trainer import finish
from include.backends.onnx.model import open_model
from include.core.errors import DataError, SpecError
from include.core.spec import AnyKind, MultiClass, Ranking, Regression
from include.training.train_step import verify
from tests.support.trained_jobs import job_of, recorded_job

KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "kinds.json").read_text())
PROBLEMS: dict[str, AnyKind] = {
    "regression": Regression(scale=1.0),
    "multiclass": MultiClass(classes=("a", "b", "c")),
    "ranking": Ranking(query="q", item="i"),
}


class Booster:
    def __init__(self, kind: str) -> None:
        self.known = KNOWN["models"][kind]

    def model_to_string(self) -> str:
        text: str = self.known["text"]
        return text

    def predict(self, rows: Any) -> Any:
        assert len(rows) == len(KNOWN["rows"])
        return np.array(self.known["predictions"])


class Estimator:
    def __init__(self, kind: str) -> None:
        self.booster_ = Booster(kind)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_file_gives_what_the_booster_predicts(tmp_path: Path, kind: str) -> None:
    job = recorded_job(PROBLEMS[kind], KNOWN["rows"], tmp_path)
    finish(Estimator(kind), job)
    verify(job)
    assert np.abs(open_model(job.model_path).score(job.validation.features) - job.expected[0]).max() < 1e-4


def test_a_value_and_its_bounds_are_three_boosters(tmp_path: Path) -> None:
    job = recorded_job(Regression(scale=1.0, interval=0.9), KNOWN["rows"], tmp_path)
    finish({name: Booster("regression") for name in ("value", "low", "high")}, job)
    verify(job)


def test_an_objective_of_another_problem_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gives 1 numbers a row by the objective regression; the problem has 3"):
        finish(Booster("regression"), recorded_job(PROBLEMS["multiclass"], KNOWN["rows"], tmp_path))


def test_a_model_of_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes one tensor"):
        finish(Booster("regression"), job_of("regression", tmp_path, "columns"))
