"""The step `train`: encode the training set, call the model's `fit`, and verify what it wrote."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.reference import load
from include.core.request import Json, Outcome
from include.core.spec import Features
from include.core.task import Task
from include.metrics.binary import measure
from include.model_contract.batch import Encoded
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import check_model, open_model
from include.retrieval.version import open_retrieval
from include.step_values.training import Metrics, TrainValue
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats, Rows, TrainingJob
from include.training.split import split_newest
from include.training.spool import MetricSpool
from include.training.tracking import tracked

log = logging.getLogger(__name__)

HOSTILE: tuple[tuple[float | None, str | None], ...] = (
    (None, None),
    (-1, "\N{SNOWMAN} 123 !?"),
    (1e6, "never seen before " * 200),
)
PARITY = 1e-4  # largest difference allowed between the trained model's scores and the ONNX file's


def run(task: Task) -> Outcome:
    """Train on `train.parquet` of the input `training_set`.

    Params: `features` and `training` (sections of the spec, with the parameters to use), `label`.
    """
    training: Mapping[str, Any] = task.params["training"]
    train, validation, signature = read_rows(task, task.file("training_set", "train.parquet"))
    spool = MetricSpool(task.storage, task.attempt.metrics)
    job = TrainingJob(
        train,
        validation,
        signature,
        params=training.get("params", {}),
        checkpoints=CheckpointStore(task.storage, task.attempt.checkpoints),
        model_path=task.workdir / "model.onnx",
        seed=int(training.get("seed", 7)),
        workers=int(training.get("workers", 1)),
        spool=spool,
    )
    with tracked(task.settings, task.storage, task.attempt.metrics, task.request.model), closing(spool):
        load(training["fit"])(job)
    metrics = verify(job)
    described = task.workdir / "signature.json"
    described.write_text(json.dumps(signature, indent=1))
    value: TrainValue = {"metrics": metrics, "history": job.history, "params": dict(job.params), "rows": len(train)}
    open_retrieval(job.shipped, Encoder.from_json(signature))
    return Outcome(value, {"model.onnx": job.model_path, "signature.json": described, **job.shipped})


def read_rows(task: Task, path: Path) -> tuple[Rows, Rows, dict[str, Json]]:
    """The encoded training and validation rows of a training set, and the model's signature."""
    label = str(task.params["label"])
    table = pq.read_table(path)
    check_labels(table, label)
    older, newer = split_newest(table)
    check_labels(older, label)
    features = Features(**task.params["features"])
    encoder = Encoder.fit(older, features.inputs, label, task.params.get("training", {}).get("inputs", "tensor"))
    if encoder.form == "tensor":
        encoder.check_tensor()
    # The model pins the versions of the views it was trained on, and brings their definitions: serving must give it those.
    pins = {name: task.input("training_set").value.get(name, {}) for name in ("views", "definitions")}
    signature = {**encoder.to_json(), **pins}
    return _rows(encoder, older, label), _rows(encoder, newer, label), signature


def check_labels(table: pa.Table, label: str) -> None:
    """Raises DataError unless there are rows of both classes, each with a label."""
    if label not in table.column_names:
        raise DataError(f"The training set has no label column {label!r}.", seen=table.column_names)
    column = table[label].to_numpy().astype(np.float64)
    classes = {str(value): int((column == value).sum()) for value in np.unique(column)}
    if set(classes) != {"0.0", "1.0"}:
        raise DataError(
            f"Training needs rows of both classes of {label!r} (0 and 1), each labelled.",
            seen=classes or "no rows",
            safe="the training set is kept as it is.",
            hint="widen training.window_days, or check the label's source.",
        )


def _rows(encoder: Encoder, table: pa.Table, label: str) -> Rows:
    columns = encoder.encode_columns(table) if encoder.form == "columns" else None
    return Rows(encoder.encode_matrix(table), table[label].to_numpy().astype(np.float32), columns)


def verify(job: TrainingJob) -> Metrics:
    """Check the ONNX file and measure it on the validation rows. Raises DataError, IntegrityError.

    The metrics of a decision are left to the evaluation: `serving.threshold` is no part of a training, which is not done again
    when it changes.
    """
    if not job.model_path.is_file():
        raise DataError("The model's fit returned without writing job.model_path.", seen=str(job.model_path))
    check_model(job.model_path, job.encoder if job.named else len(job.inputs))
    model = open_model(job.model_path)
    scores = model.score(job.validation.given)
    _check_scores(scores, len(job.validation), "the validation rows")
    _check_scores(model.score(_hostile(job)), 3, "rows of missing and unknown values")
    for expected in job.expected:
        gap = float(np.abs(expected - scores).max()) if expected.shape == scores.shape else math.inf
        if not gap <= PARITY:
            raise DataError(f"The ONNX file does not score like the model it came from, within {PARITY}.", seen=gap)
    return {**measure(job.validation.labels, scores, threshold=None), "rows": len(job.validation)}


def _hostile(job: TrainingJob) -> Encoded:
    """Rows that serving may meet: all missing, codes below and beyond what was trained on, texts that nobody has written."""
    if job.named:
        return job.encoder.encode_rows([hostile_row(job.encoder.inputs, *each) for each in HOSTILE])
    return np.array([[fill] * len(job.inputs) for fill in (math.nan, -1.0, 1e6)], dtype=np.float32)


def hostile_row(inputs: Sequence[Input], number: float | None, text: str | None) -> dict[str, Any]:
    """A row with these values wherever they fit."""
    row: dict[str, Any] = {}
    for each in inputs:
        value: Any = text if each.is_text else number
        if each.length and number is not None:
            value = [number] * each.length
        row[each.name] = bool(number) if each.dtype == "bool" and number is not None else value
    return row


def _check_scores(scores: Floats, rows: int, which: str) -> None:
    if scores.shape != (rows,):
        raise DataError(f"The model must return one score a row for {which}.", seen=scores.shape)
    if not bool(np.all((scores >= 0) & (scores <= 1))):  # NaN fails both
        raise DataError(
            f"The model's scores of {which} are not probabilities.",
            seen=[float(np.nanmin(scores)), float(np.nanmax(scores)), int(np.isnan(scores).sum())],
            hint="return a probability in 0..1 whatever the input: handle NaN and unknown codes in the graph.",
        )
