"""A case's own `fit` on a table of known rows, as the training step calls it; what its file answers, and what it ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.core.reference import load
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder
from include.model_contract.model import Model, open_model
from include.problems.of import of_spec, params_of, signature_of
from include.retrieval.version import Retrieval, open_retrieval
from include.training.checkpoint import CheckpointStore
from include.training.job import TrainingJob
from include.training.split import split_newest
from include.training.train_step import encoded_rows, verify


@dataclass(frozen=True)
class Fitted:
    """The encoder of its rows, the ONNX file, and the items that came with it, if any."""

    encoder: Encoder
    model: Model
    path: Path
    label: str
    retrieval: Retrieval | None

    def encoded(self, rows: pa.Table) -> tuple[Floats, NDArray[np.float64]]:
        """features [n, inputs] and labels [n], for a peer that is fitted on the same."""
        return self.encoder.encode_matrix(rows), rows[self.label].to_numpy().astype(np.float64)

    def answers(self, rows: pa.Table) -> Floats:
        """What the file answers: float32 [n], or [n, outputs]."""
        return self.model.score(self.encoder.encode_table(rows))


def fit(spec: ModelSpec, rows: pa.Table, folder: Path) -> Fitted:
    """Fit by the spec's function and parameters, and verify the file as the training step does.

    Raises DataError where the file answers otherwise than the model that it was made of.
    """
    problem = of_spec(spec)
    older, newer = split_newest(rows, list_column=problem.query or "")
    encoder = Encoder.fit(older, spec.features.inputs, spec.label, spec.training.inputs)
    folder.mkdir(parents=True, exist_ok=True)
    job = TrainingJob(
        encoded_rows(encoder, older, spec.label, problem),
        encoded_rows(encoder, newer, spec.label, problem),
        {**encoder.to_json(), **signature_of(params_of(spec))},
        params=spec.training.params,
        checkpoints=CheckpointStore(LocalStorage(folder), "checkpoints"),
        model_path=folder / "model.onnx",
        seed=spec.training.seed,
    )
    load(spec.training.fit)(job)
    verify(job)
    return Fitted(encoder, open_model(job.model_path), job.model_path, spec.label, open_retrieval(job.shipped, encoder))
