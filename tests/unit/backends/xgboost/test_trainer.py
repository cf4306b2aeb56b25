"""XGBoost in a fit: a booster that says what XGBoost once wrote and predicted (`kinds.json`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.backends.onnx.model import open_model
from include.backends.xgboost.trainer import finish, quantile_matrix
from include.core.errors import SpecError
from include.core.spec import AnyKind, MultiClass, Ranking, Regression
from include.core.storage import LocalStorage
from include.training.job import Rows
from include.training.rows.streamed import StreamedRows
from include.training.train_step import verify
from tests.support.streamed_rows import streamed
from tests.support.trained_jobs import job_of, recorded_job

KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "kinds.json").read_text())
PROBLEMS: dict[str, AnyKind] = {
    "regression": Regression(scale=1.0),
    "multiclass": MultiClass(classes=("a", "b", "c")),
    "ranking": Ranking(query="q", item="i"),
}


class Booster:
    """`best`: the best of its rounds, if it was stopped early. All but those up to it are cut off before it is asked."""

    def __init__(self, kind: str, best: str | None = None, *, cut: bool = False) -> None:
        self.kind, self.best, self.cut = kind, best, cut
        self.known = KNOWN["models"][kind]

    def attributes(self) -> dict[str, str]:
        return {} if self.best is None else {"best_iteration": self.best}

    def __getitem__(self, rounds: slice) -> Booster:
        assert rounds == slice(None, 3)
        return Booster(self.kind, cut=True)

    def save_raw(self, form: str) -> bytearray:
        assert (form, self.best is None or self.cut) == ("json", True)
        return bytearray(json.dumps(self.known["model"]).encode())

    def inplace_predict(self, rows: Any, *, validate_features: bool) -> Any:
        assert (len(rows), validate_features, self.best) == (len(KNOWN["rows"]), False, None)
        return np.array(self.known["predictions"])


class Estimator:
    def __init__(self, booster: Booster) -> None:
        self.booster = booster

    def get_booster(self) -> Booster:
        return self.booster


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_file_gives_what_the_booster_predicts(tmp_path: Path, kind: str) -> None:
    job = recorded_job(PROBLEMS[kind], KNOWN["rows"], tmp_path)
    finish(Estimator(Booster(kind)), job)
    verify(job)
    assert np.abs(open_model(job.model_path).score(job.validation.features) - job.expected[0]).max() < 1e-4


def test_of_a_booster_that_was_stopped_early_the_rounds_up_to_the_best_are_written(tmp_path: Path) -> None:
    job = recorded_job(PROBLEMS["regression"], KNOWN["rows"], tmp_path)
    finish(Booster("regression", best="2"), job)
    verify(job)


def test_a_model_of_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes one tensor"):
        finish(Booster("regression"), job_of("regression", tmp_path, "columns"))


class DataIter:
    """As XGBoost's: `next` gives a batch to the function that it is handed, `reset` begins anew."""


class QuantileDMatrix:
    """Reads its batches twice, as XGBoost does: once for the bins, once for the rows."""

    def __init__(self, batches: Any, max_bin: int, **more: Any) -> None:
        self.max_bin, self.more = max_bin, more
        self.passes: list[list[dict[str, Any]]] = []
        for _ in range(2):
            batches.reset()
            self.passes.append([])
            while batches.next(lambda **given: self.passes[-1].append(given)):
                pass


def test_a_matrix_of_a_streamed_set_is_made_of_its_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", SimpleNamespace(DataIter=DataIter, QuantileDMatrix=QuantileDMatrix))
    monkeypatch.setattr(Rows.batches, "__defaults__", (30,))
    monkeypatch.setattr(StreamedRows.batches, "__defaults__", (30,))
    rows = Rows(
        np.arange(200, dtype=np.float32).reshape(100, 2), np.arange(100, dtype=np.float32), weights=np.ones(100, np.float32)
    )
    for given in (rows, streamed(rows, LocalStorage(tmp_path))):
        matrix = quantile_matrix(given, 64, ref="other")
        assert (matrix.max_bin, matrix.more) == (64, {"ref": "other"})
        for batches in matrix.passes:
            assert [len(batch["label"]) for batch in batches] == [30, 30, 30, 10]
            assert np.concatenate([batch["data"] for batch in batches]).tolist() == rows.features.tolist()
            assert np.concatenate([batch["weight"] for batch in batches]).tolist() == [1] * 100
