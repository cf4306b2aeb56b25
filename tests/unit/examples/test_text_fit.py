from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from examples.models.text.spec import SPEC
from examples.models.text.train import fit
from include.core.storage import LocalStorage
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import open_model
from include.problems.of import params_of, signature_of
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.train_step import verify

SAYS = ["awful itchy", "bad fit", "not sure", "nice dress", "love love it"]


def _rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    stars = random.integers(0, 5, count)
    texts = np.array([f"so {SAYS[place]} and {random.integers(0, 9)}" for place in stars], dtype=object)
    numbers = random.normal(4.2, 0.4, count).astype(np.float32)
    arrays: dict[str, Any] = {
        "garment_stars": numbers, "garment_reviews": numbers, "title": np.full(count, "Title", dtype=object), "review": texts,
        "department": np.full(count, "Tops", dtype=object), "age": numbers,
    }  # fmt: skip
    return Rows(np.stack([numbers] * 3, axis=1), stars.astype(np.float32), Columns(arrays))


def test_the_file_answers_as_the_model_and_has_learned(tmp_path: Path) -> None:
    inputs = tuple(Input(each.name, each.dtype, each.default) for each in SPEC.features.inputs)
    encoder = Encoder(inputs, SPEC.label, "columns")
    job = TrainingJob(
        _rows(300, 1), _rows(80, 2), {**encoder.to_json(), **signature_of(params_of(SPEC))}, params=SPEC.training.params,
        checkpoints=CheckpointStore(LocalStorage(tmp_path), "checkpoints"), model_path=tmp_path / "model.onnx",
    )  # fmt: skip
    fit(job)
    assert (verify(job)["log_loss"] or 9) < 0.6  # of five classes that come alike it is 1.6
    assert job.expected[0].shape == (80, 5)


def test_hostile_texts_have_an_answer(tmp_path: Path) -> None:
    inputs = tuple(Input(each.name, each.dtype, each.default) for each in SPEC.features.inputs)
    encoder = Encoder(inputs, SPEC.label, "columns")
    job = TrainingJob(
        _rows(200, 1), _rows(60, 2), {**encoder.to_json(), **signature_of(params_of(SPEC))}, params=SPEC.training.params,
        checkpoints=CheckpointStore(LocalStorage(tmp_path), "checkpoints"), model_path=tmp_path / "model.onnx",
    )  # fmt: skip
    fit(job)
    rows = [{"review": text, "title": None} for text in ("", "\n\n \n", "☃☃☃", "love " * 13_000, "x" * 65_000)]
    said = open_model(job.model_path).score(encoder.encode_rows(rows))
    assert np.allclose(said.sum(axis=1), 1, atol=1e-5)
