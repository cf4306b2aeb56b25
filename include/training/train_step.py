"""The step `train`: encode the training set, call the model's `fit`, and verify what it wrote."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from include.core.errors import DataError, one_line
from include.core.needs import Needs
from include.core.reference import load
from include.core.request import Outcome
from include.core.spec import PrivateTraining
from include.core.spec.workers import Workers
from include.core.task import Task
from include.model_contract.batch import Encoded
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import Model, check_model, open_model
from include.problems.problem import Problem
from include.retrieval.version import open_retrieval
from include.step_values.training import Metrics, TrainValue
from include.training.checkpoint import CheckpointStore
from include.training.checks import encoded_rows as encoded_rows
from include.training.interruptions import seconds_lost
from include.training.job import Floats, Rows, TrainingJob
from include.training.reading import forget_rows
from include.training.reading import read_rows as read_rows
from include.training.rows.streamed import StreamedRows
from include.training.spool import MetricSpool
from include.training.tracking import tracked
from include.training.warm_start import NOT_TAKEN, SHOWN_PLACES, WEIGHTS, Champion

log = logging.getLogger(__name__)

HOSTILE: tuple[tuple[float | None, str | None], ...] = (
    (None, None),
    (-1, "\N{SNOWMAN} 123 !?"),
    (1e6, "never seen before " * 200),
)
SHOWN = 5  # outputs of a message


def run(task: Task) -> Outcome:
    """Train on `train.parquet` of the input `training_set`.

    Params: `features` and `training` (sections of the spec, with the parameters to use), `label`, `problem`. With an input
    `champion` the fit begins from the weights of that trained result.
    """
    training: Mapping[str, Any] = task.params["training"]
    train, validation, signature = read_rows(task, task.file("training_set", "train.parquet"))
    spool = MetricSpool(task.storage, task.attempt.metrics)
    workers = Workers.of(training.get("workers", 1))
    job = TrainingJob(
        train,
        validation,
        signature,
        params=training.get("params", {}),
        checkpoints=CheckpointStore(task.storage, task.attempt.checkpoints),
        model_path=task.workdir / "model.onnx",
        seed=int(training.get("seed", 7)),
        workers=workers.maximum,
        minimum_workers=workers.minimum,
        spool=spool,
        needs=Needs.received(task.settings.environ),
        wanted_precision=str(training.get("precision", "32")),
        champion=Champion.of(task),
        keeps_weights=bool(training.get("warm_start")),
        wanted_strategy=str(training.get("strategy", "ddp")),
        offload=bool(training.get("offload", False)),
        wanted_privacy=PrivateTraining(**training["privacy"]) if training.get("privacy") else None,
    )
    with tracked(task.settings, task.storage, task.attempt.metrics, task.request.model), closing(spool):
        load(training["fit"])(job)
    job.require_taken()
    metrics = verify(job)
    described = task.workdir / "signature.json"
    described.write_text(json.dumps(signature, indent=1))
    value: TrainValue = {"metrics": metrics, "history": job.history, "params": dict(job.params), "rows": len(train)}
    if job.spent:
        value["privacy"] = job.spent
        metrics["epsilon"] = job.spent["epsilon"]
    if job.interruptions:
        value["interruptions"] = [each.to_json() for each in job.interruptions]
        value["seconds_lost"] = seconds_lost(job.interruptions)
    if job.champion is not None:
        value["warm_start"] = (job.begun[-1] if job.begun else NOT_TAKEN).to_json(SHOWN_PLACES)
    open_retrieval(job.shipped, Encoder.from_json(signature))
    if isinstance(train, StreamedRows):
        forget_rows(task)
    kept = {WEIGHTS: job.weights_path} if job.keeps_weights and job.weights_path.is_file() else {}
    return Outcome(value, {"model.onnx": job.model_path, "signature.json": described, **kept, **job.shipped})


def verify(job: TrainingJob) -> Metrics:
    """Check the ONNX file and measure it on the validation rows. Raises DataError, IntegrityError.

    The metrics of a decision are left to the evaluation: `serving.threshold` is no part of a training, which is not done again
    when it changes.
    """
    if not job.model_path.is_file():
        raise DataError("The model's fit returned without writing job.model_path.", seen=str(job.model_path))
    check_model(job.model_path, job.encoder if job.named else len(job.inputs), job.outputs)
    model, problem = open_model(job.model_path), job.problem
    outputs = _outputs(model, job.validation)
    _check_outputs(problem, outputs, len(job.validation), "the validation rows")
    _check_outputs(problem, _answers(model, _hostile(job)), 3, "rows of missing and unknown values")
    for expected in job.expected:
        gap = float(np.abs(expected - outputs).max()) if expected.shape == outputs.shape else math.inf
        if not gap <= problem.parity(expected):
            allowed = f"{problem.parity(expected):.3g}"
            raise DataError(f"The ONNX file does not score like the model it came from, within {allowed}.", seen=gap)
    return {**problem.measure(job.validation.truth(), outputs, decided=False), "rows": len(job.validation)}


def _outputs(model: Model, rows: Rows) -> Floats:
    """Of rows in memory at once; of others a batch at a time."""
    if not isinstance(rows, StreamedRows):
        return model.score(rows.given)
    return np.concatenate([model.score(batch.given) for batch in rows.batches()])


def _answers(model: Model, rows: Encoded) -> Floats:
    """Raises DataError where the model cannot answer what serving will meet."""
    try:
        return model.score(rows)
    except DataError:
        raise
    except Exception as error:  # a runtime's exceptions share no base class of their own
        raise DataError(
            f"The model does not answer rows of missing and unknown values: {one_line(error)[:300]}",
            safe="the training set is kept as it is.",
            hint="have it take them: OneHotEncoder(handle_unknown='ignore'), SimpleImputer(), a code beyond those learnt as 0.",
        ) from error


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


def _check_outputs(problem: Problem, outputs: Floats, rows: int, which: str) -> None:
    wrong = problem.check(outputs, rows)
    if wrong:
        raise DataError(
            f"The model's outputs of {which} are wrong: {wrong}.",
            seen=outputs[:SHOWN].tolist(),
            hint="return what the problem asks for whatever the input: handle NaN and unknown codes in the graph.",
        )
