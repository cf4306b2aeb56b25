"""A case's own `fit` on a table of known rows, as the training step calls it; and what its file answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.core.reference import load
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_model
from include.problems.of import of_spec, params_of, signature_of
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.split import split_newest
from include.training.train_step import verify

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """The encoder of its rows, and the ONNX file."""

    encoder: Encoder
    path: Path
    label: str

    def encoded(self, rows: pa.Table) -> tuple[Floats, NDArray[np.float64]]:
        """features [n, inputs] and labels [n], for a peer that is fitted on the same."""
        return self.encoder.encode_matrix(rows), rows[self.label].to_numpy().astype(np.float64)

    def answers(self, features: Floats) -> Floats:
        """What the file answers: float32 [n], or [n, outputs]."""
        return open_model(self.path).score(features)


def fit(spec: ModelSpec, rows: pa.Table, folder: Path) -> Fitted:
    """Fit by the spec's function and parameters, and verify the file as the training step does.

    Raises DataError where the file answers otherwise than the model that it was made of.
    """
    older, newer = split_newest(rows)
    encoder = Encoder.fit(older, spec.features.inputs, spec.label)
    folder.mkdir(parents=True, exist_ok=True)
    job = TrainingJob(
        _rows(encoder, older, spec),
        _rows(encoder, newer, spec),
        {**encoder.to_json(), **signature_of(params_of(spec))},
        params=spec.training.params,
        checkpoints=CheckpointStore(LocalStorage(folder), "checkpoints"),
        model_path=folder / "model.onnx",
        seed=spec.training.seed,
    )
    load(spec.training.fit)(job)
    verify(job)
    return Fitted(encoder, job.model_path, spec.label)


def _rows(encoder: Encoder, table: pa.Table, spec: ModelSpec) -> Rows:
    truth = of_spec(spec).truth(table, spec.label)
    return Rows(encoder.encode_matrix(table), truth.labels.astype(np.float32), days=truth.day)
