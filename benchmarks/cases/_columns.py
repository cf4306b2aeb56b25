"""The same as `fitted` for a model that takes columns: its own `fit` on a table of known rows, and what it ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from include.core.reference import load
from include.core.spec import ModelSpec
from include.core.storage import LocalStorage
from include.model_contract.batch import Floats
from include.model_contract.encoder import Encoder
from include.model_contract.model import Model, open_model
from include.problems.of import of_spec, params_of, signature_of
from include.retrieval.version import Retrieval, open_retrieval
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob
from include.training.split import split_newest
from include.training.train_step import verify


@dataclass(frozen=True)
class FittedColumns:
    encoder: Encoder
    model: Model
    path: Path
    retrieval: Retrieval | None

    def answers(self, rows: pa.Table) -> Floats:
        """What the file answers: float32 [n], or [n, outputs]."""
        return self.model.score(self.encoder.encode_columns(rows))


def fit(spec: ModelSpec, rows: pa.Table, folder: Path) -> FittedColumns:
    """Fit by the spec's function and parameters, and verify the file as the training step does.

    Raises DataError where the file answers otherwise than the model that it was made of.
    """
    problem = of_spec(spec)
    older, newer = split_newest(rows, list_column=problem.query or "")
    encoder = Encoder.fit(older, spec.features.inputs, spec.label, spec.training.inputs)
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
    return FittedColumns(encoder, open_model(job.model_path), job.model_path, open_retrieval(job.shipped, encoder))


def _rows(encoder: Encoder, table: pa.Table, spec: ModelSpec) -> Rows:
    truth = of_spec(spec).truth(table, spec.label)
    columns = encoder.encode_columns(table)
    return Rows(encoder.encode_matrix(table), truth.labels.astype("float32"), columns, None, truth.query, truth.day)
