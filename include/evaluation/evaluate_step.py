"""The step `evaluate`: measure a trained model on the holdout, beside its champion and its baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.request import Outcome
from include.core.spec import Evaluation
from include.core.task import Task
from include.evaluation import int8
from include.evaluation.baselines import boosted, historical_rate
from include.evaluation.gate import decide
from include.evaluation.latency import LATENCY_ROWS, measure_latency
from include.evaluation.leakage import leaking_inputs, warnings
from include.evaluation.report import render
from include.evaluation.slices import by_slice, paired_slices
from include.metrics.arrays import Bools, Values
from include.metrics.binary import measure
from include.metrics.calibration import calibration_table
from include.metrics.paired import Difference, difference
from include.model_contract.encoder import Encoder
from include.model_contract.model import Floats, Model, open_model
from include.step_values.evaluation import AloneValue, EvaluateValue, PairedValue
from include.step_values.features import TrainingSetValue
from include.step_values.training import Metrics, TrainValue

SEED = 7
DAY = 86_400_000_000  # microseconds


def run(task: Task) -> Outcome:
    """Inputs `training_set`, `train` and, if there is one, `champion`; params `features`, `evaluation`, `label`, `threshold`.

    `threshold`: from which score on the gateway says yes (`serving.threshold`). What is decided is measured there, and the
    value keeps it: figures of two thresholds are not compared.
    `warnings` of the value, and at the head of the report: what looks as if the rows held their own answer.
    """
    spec = Evaluation(**task.params["evaluation"])
    label, threshold = str(task.params["label"]), float(task.params["threshold"])
    train, holdout = (pq.read_table(task.file("training_set", f"{name}.parquet")) for name in ("train", "holdout"))
    labels = _labels(holdout, label)
    model, encoder, path = _open(task, "train")
    rows = encoder.encode_table(holdout)
    scores = model.score(rows)
    leaking = _leaking(train, encoder, label, encoder.encode_matrix(holdout), labels)
    champion, paired = _champion(task, holdout, scores, spec)
    value: EvaluateValue = {
        "rows": len(labels),
        "threshold": threshold,
        "metrics": measure(labels, scores, threshold),
        "champion": champion,
        "baselines": _baselines(task, train, holdout, encoder, spec.baseline),
        "alone": leaking,
        "warnings": [*task.input("training_set").read(TrainingSetValue).get("warnings", ()), *warnings(leaking)],
        "slices": by_slice(holdout, spec.slices, labels, scores),
        "calibration": calibration_table(labels, scores),
        "latency_ms": measure_latency(model, rows[:LATENCY_ROWS], spec.max_latency_ms),
        "bytes": path.stat().st_size,
    }
    if paired is not None:
        value["paired"] = paired
    files = {"report.html": task.workdir / "report.html"}
    if spec.int8:
        small = task.workdir / int8.FILE
        value["int8"] = int8.variant(path, small, rows, labels, spec, threshold)
        if value["int8"]["accepted"]:
            files[int8.FILE] = small
    value["gate"] = decide(value, spec).to_json()
    files["report.html"].write_text(render(task.request.model, value, task.input("train").read(TrainValue)["history"]))
    return Outcome(value, files)


def _open(task: Task, name: str) -> tuple[Model, Encoder, Path]:
    """The model of a `train` input, its encoder and its file."""
    path = task.file(name, "model.onnx")
    signature: Mapping[str, Any] = json.loads(task.file(name, "signature.json").read_text())
    return open_model(path), Encoder.from_json(signature), path


def _champion(task: Task, holdout: pa.Table, scores: Floats, spec: Evaluation) -> tuple[Metrics, PairedValue] | tuple[None, None]:
    """The champion's metrics on the same rows, through its own signature; and row by row against the challenger's `scores`,
    over all rows and by slice. None and None if there is no champion."""
    if "champion" not in task.request.inputs:
        return None, None
    labels, threshold = _labels(holdout, str(task.params["label"])), float(task.params["threshold"])
    model, encoder, _ = _open(task, "champion")
    theirs = model.score(encoder.encode_table(holdout))
    days = holdout["event_timestamp"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // DAY

    def compare(chosen: Bools) -> Difference:
        return difference(spec.metric, labels[chosen], scores[chosen], theirs[chosen], days[chosen], threshold)

    every = np.ones(len(labels), dtype=np.bool_)
    paired: PairedValue = {**compare(every).to_json(), "slices": paired_slices(holdout, spec.slices, labels, compare)}
    return measure(labels, theirs, threshold), paired


def _baselines(task: Task, train: pa.Table, holdout: pa.Table, encoder: Encoder, category: str | None) -> dict[str, Metrics]:
    """Metrics of the baselines, fitted on all training rows."""
    label, threshold = str(task.params["label"]), float(task.params["threshold"])
    known, labels = _labels(train, label), _labels(holdout, label)
    found: dict[str, Metrics] = {}
    if encoder.width:  # of texts alone there is nothing that trees could split
        forest = boosted(encoder.encode_matrix(train), known, encoder.encode_matrix(holdout), encoder.code_places, SEED)
        found["boosted"] = measure(labels, forest, threshold)
    if category:
        found["historical_rate"] = measure(labels, historical_rate(train, known, holdout, category), threshold)
    return found


def _leaking(train: pa.Table, encoder: Encoder, label: str, rows: Floats, labels: Values) -> list[AloneValue]:
    """Inputs that predict the label too well, each alone."""
    known = encoder.encode_matrix(train)
    return leaking_inputs(encoder.places, encoder.code_places, known, _labels(train, label), rows, labels)


def _labels(table: pa.Table, label: str) -> Values:
    """float64 [n] of 0 and 1. Raises DataError where there are no rows, or rows without a label."""
    if label not in table.column_names or not table.num_rows or table[label].null_count:
        raise DataError(
            f"The evaluation needs rows with the label {label!r}.",
            seen={"rows": table.num_rows, "columns": table.column_names},
            safe="the trained model is kept in the ledger.",
            hint="widen training.holdout_days, or check the label's source.",
        )
    values: Values = table[label].to_numpy().astype(np.float64)
    return values
