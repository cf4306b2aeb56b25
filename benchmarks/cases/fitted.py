"""A case's own `fit` on a table of known rows, as the training step calls it; and what its file answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.core.reference import load
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.model_contract.encoder import Encoder
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.split import split_newest

Floats = NDArray[np.float32]
PARITY = 1e-3  # in the outputs' unit, between the file and the model that it was made of


@dataclass(frozen=True)
class Fitted:
    """The encoder of its rows, and the ONNX file."""

    encoder: Encoder
    path: Path
    label: str

    def encoded(self, rows: pa.Table) -> tuple[Floats, NDArray[np.float64]]:
        """features [n, inputs] and labels [n], for a peer that is fitted on the same."""
        return self.encoder.encode_table(rows), rows[self.label].to_numpy().astype(np.float64)

    def answers(self, features: Floats) -> Floats:
        """What the file answers: float32 [n], or [n, outputs]."""
        import onnxruntime

        session = onnxruntime.InferenceSession(self.path.read_bytes(), providers=["CPUExecutionProvider"])
        found: list[Any] = session.run(None, {session.get_inputs()[0].name: features})
        return np.asarray(found[0]) if len(found) == 1 else np.column_stack(found)


def fit(spec: ModelSpec, rows: pa.Table, folder: Path) -> Fitted:
    """Fit by the spec's function and parameters. Raises AssertionError where the file answers otherwise than its model."""
    older, newer = split_newest(rows)
    encoder = Encoder.fit(older, spec.features.inputs, spec.label)
    folder.mkdir(parents=True, exist_ok=True)
    job = TrainingJob(
        _rows(encoder, older, spec.label),
        _rows(encoder, newer, spec.label),
        encoder.to_json(),
        params=spec.training.params,
        checkpoints=CheckpointStore(LocalStorage(folder), "checkpoints"),
        model_path=folder / "model.onnx",
        seed=spec.training.seed,
    )
    load(spec.training.fit)(job)
    made = Fitted(encoder, job.model_path, spec.label)
    for expected in job.expected:
        gap = float(np.abs(expected - made.answers(job.validation.features)).max())
        assert gap <= PARITY, f"the file answers otherwise than the model it came from, by {gap}"
    return made


def _rows(encoder: Encoder, table: pa.Table, label: str) -> Rows:
    return Rows(encoder.encode_table(table), table[label].to_numpy().astype(np.float32))
