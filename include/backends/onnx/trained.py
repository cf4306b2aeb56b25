"""What the trainers of all libraries share: one model for all outputs, or a model an output, written and said to be expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.merge import merged
from include.core.errors import DataError, SpecError
from include.core.scratch import scratch_folder
from include.training.job import Floats, Rows, TrainingJob

Write = Callable[[Any, Sequence[str], Path], None]
"""Write a trained model as ONNX that gives these outputs."""
Predict = Callable[[Any, Sequence[str]], Any]
"""The trained model's own outputs of the validation rows."""


def finish(models: Any, job: TrainingJob, write: Write, predict: Predict) -> None:
    """Write `job.model_path`, and have it held against the trained model's own predictions (`job.expect`).

    :param models: one trained model, or one an output by its name, as a regression with an interval has them
    """
    by_output = _by_output(models, job.outputs)
    if by_output is None:
        write(models, job.outputs, job.model_path)
        job.expect(_shaped(predict(models, job.outputs), job.outputs))
        return
    parts: dict[str, bytes] = {}
    with scratch_folder() as folder:
        for name, model in by_output.items():
            path = folder / f"{len(parts)}.onnx"
            write(model, (name,), path)
            parts[name] = path.read_bytes()
    interval = job.problem.link == "interval"
    job.model_path.write_bytes(merged(parts, interval=interval))
    columns = [_shaped(predict(model, (name,)), (name,)) for name, model in by_output.items()]
    if interval:  # a value never lies outside its own interval
        value, low, high = columns
        columns = [value, np.minimum(value, low), np.maximum(value, high)]
    job.expect(np.stack(columns, axis=1))


def of_validation(job: TrainingJob, predict: Callable[[Rows], Any]) -> Any:
    """A trained model's outputs of the validation rows, some rows at a time: of a streamed set no more are in memory."""
    parts = [predict(rows) for rows in job.validation.batches()]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def finish_numbers(library: str, models: Any, job: TrainingJob, write: Write, predict: Predict) -> None:
    """The same of a library whose models take one tensor of numbers. Raises SpecError for a model of columns."""
    if job.named:
        raise SpecError(
            f"{library} takes one tensor of numbers.", seen={"training.inputs": "columns"}, safe="no file was written.",
            hint='leave training.inputs at "tensor".',
        )  # fmt: skip
    finish(models, job, write, predict)


def _by_output(models: Any, outputs: Sequence[str]) -> Mapping[str, Any] | None:
    """A model an output, in their order; None where one is for all of them. Raises DataError for other names."""
    if not isinstance(models, Mapping):
        return None
    if set(models) != set(outputs) or len(outputs) < 2:
        raise DataError(
            f"There must be one model, or one for each of the outputs {', '.join(outputs)}.",
            seen=sorted(map(str, models)),
            safe="no file was written.",
            hint='give {"value": model, "low": model, "high": model} for a regression with an interval, else the model itself.',
        )
    return {name: models[name] for name in outputs}


def _shaped(predictions: Any, outputs: Sequence[str]) -> Floats:
    """[n] of one output, [n, k] of several. Of two probabilities beside one output the second is meant."""
    found = np.asarray(predictions, dtype=np.float32)
    if len(outputs) == 1 and found.ndim == 2:
        return found[:, -1] if found.shape[1] <= 2 else found
    return found
