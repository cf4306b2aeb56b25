"""The step `evaluate`: measure a trained model on the holdout, beside its champion and its baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError
from include.core.request import Outcome
from include.core.spec import Evaluation, Fairness, Features, MembershipCheck
from include.core.task import Task
from include.evaluation import int8
from include.evaluation.baselines import boosted, historical
from include.evaluation.explained import Explained, explain
from include.evaluation.gate import decide
from include.evaluation.latency import LATENCY_ROWS, measure_latency
from include.evaluation.leakage import leaking_inputs, warnings
from include.evaluation.privacy_check import Known, Side, privacy, trained_share
from include.evaluation.remote import served_by
from include.evaluation.report import render
from include.evaluation.robustness import tried
from include.evaluation.slices import by_slice, paired_slices
from include.explanations import background
from include.fairness.assess import Rows as Answered
from include.fairness.assess import assess
from include.metrics.arrays import Bools
from include.metrics.paired import Difference
from include.model_contract.encoder import Encoder
from include.model_contract.model import Encoded, Floats, Model, model_file, open_model
from include.problems.of import of_params, require_same, same_outputs
from include.problems.problem import Problem
from include.problems.stated import state
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import AloneValue, ColdValue, EvaluateValue
from include.step_values.explanations import ExplanationsValue
from include.step_values.features import TrainingSetValue
from include.step_values.privacy import PrivacyValue
from include.step_values.training import Metrics, TrainValue

TRAIN_ROWS = 2_000_000  # of the training rows that baselines are fitted on and leaks looked for in
SEED = 7


@dataclass(frozen=True)
class Rows:
    """Rows of the training set with what is known of them, and as the model's inputs."""

    table: pa.Table
    truth: Truth
    encoded: Encoded  # as the model takes them
    numbers: Floats  # what of them is numbers: float32 [n, places]


def run(task: Task) -> Outcome:
    """Inputs `training_set`, `train` and, if there is one, `champion`, and `cold`, the twin of a fit that began warm; params
    `features`, `evaluation`, `label`, `threshold`, `problem`.

    And `fairness`, where the spec has such a section; the value then has a key of the same name, and `robustness` likewise.
    `threshold`: from which score on the gateway says yes (`serving.threshold`). What is decided is measured there, and the
    value keeps it: figures of two thresholds are not compared. `problem`: the spec's, without one it is plain binary.
    `warnings` of the value, and at the head of the report: what looks as if the rows held their own answer.
    """
    spec, problem = Evaluation(**task.params["evaluation"]), of_params(task.params)
    require_same(problem, _signature(task, "train"), "the trained model")
    model, encoder, path = _open(task, "train")
    train, holdout = (_rows(task, name, encoder, problem) for name in ("train", "holdout"))
    outputs = _score(model, holdout.encoded, problem, "the trained model")
    leaking = _leaking(train, holdout, encoder, problem)
    value: EvaluateValue = {
        "rows": len(holdout.truth),
        "metrics": problem.measure(holdout.truth, outputs),
        "champion": None,
        "baselines": _baselines(train, holdout, encoder, spec.baseline, problem),
        "alone": leaking,
        "warnings": [*task.input("training_set").read(TrainingSetValue).get("warnings", ()), *warnings(leaking)],
        "slices": by_slice(holdout.table, spec.slices, problem, holdout.truth, outputs),
        "calibration": problem.calibration(holdout.truth, outputs),
        "curves": problem.curves(holdout.truth, outputs),
        "latency_ms": measure_latency(model, holdout.encoded[:LATENCY_ROWS], spec.max_latency_ms),
        "bytes": path.stat().st_size,
    }
    state(value, task.params)
    theirs = _champion(task, value, holdout, outputs, spec, problem)
    if "cold" in task.request.inputs:
        value["cold"] = _cold(task, holdout, outputs, spec, problem)
    if address := served_by(path):
        value["remote"] = address
    files = {"report.html": task.workdir / "report.html"}
    _asked_for(task, value, Answered(holdout.table, holdout.truth, outputs, theirs), model, encoder, spec, problem)
    if spec.explanations is not None:
        files[background.FILE] = task.workdir / background.FILE
        value["explanations"] = _explanations(model, encoder, train, holdout, spec, problem, files[background.FILE])
    if spec.privacy is not None:
        value["privacy"] = _privacy(task, model, encoder, train, holdout, spec.privacy, problem)
    if spec.int8 and "remote" not in value:
        small = task.workdir / int8.FILE
        value["int8"] = int8.variant(path, small, holdout.encoded, holdout.truth, spec, problem)
        if value["int8"]["accepted"]:
            files[int8.FILE] = small
    value["gate"] = decide(value, spec).to_json()
    files["report.html"].write_text(render(task.request.model, value, task.input("train").read(TrainValue)["history"]))
    return Outcome(value, files)


def _rows(task: Task, name: str, encoder: Encoder, problem: Problem) -> Rows:
    path = task.file("training_set", f"{name}.parquet")
    # Lists of a ranking stay whole; the holdout is what is measured.
    table = pq.read_table(path) if name == "holdout" or problem.query else _sampled(path, TRAIN_ROWS)
    truth = problem.truth(table, str(task.params["label"]))
    encoded = encoder.encode_table(table)
    return Rows(table, truth, encoded, encoded if isinstance(encoded, np.ndarray) else encoder.encode_matrix(table))


def _sampled(path: Path, most: int) -> pa.Table:
    """All rows, or every so many of them, by their place, where they are more than `most`: then a part is in memory at a time."""
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
        if rows <= most:
            return pq.read_table(path)
        every, at, parts = -(-rows // most), 0, []
        for batch in file.iter_batches(1 << 17):
            parts.append(batch.take(pa.array(range(-at % every, len(batch), every), pa.int64())))
            at += len(batch)
    return pa.Table.from_batches(parts)


def _open(task: Task, name: str) -> tuple[Model, Encoder, Path]:
    """The model of a `train` input, its encoder and its file."""
    path = task.file(name, model_file(task.input(name).files))
    return open_model(path, task.settings.environ), Encoder.from_json(_signature(task, name)), path


def _signature(task: Task, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(task.file(name, "signature.json").read_text())
    return found


def _score(model: Model, rows: Encoded, problem: Problem, which: str) -> Outputs:
    """Outputs [n] or [n, k]. Raises DataError where they are none of the problem's."""
    outputs = model.score(rows)
    wrong = problem.check(outputs, len(rows))
    if wrong:
        raise DataError(
            f"The outputs of {which} on the holdout are wrong: {wrong}.",
            seen=outputs[:3].tolist(),
            safe="the trained model is kept in the ledger; nothing was decided.",
            hint="have the model's file give what its problem asks for (docs/problems.md).",
        )
    return outputs


def _champion(
    task: Task, value: EvaluateValue, holdout: Rows, outputs: Outputs, spec: Evaluation, problem: Problem
) -> Outputs | None:
    """Put into the value `champion`, its metrics on the same rows, through its own signature; and `paired`, row by row against
    the challenger's `outputs`, over all rows and by slice. `champion` is None if there is none, or it answers another question.
    Returns its outputs, if there are any."""
    if "champion" not in task.request.inputs:
        return None
    signature = _signature(task, "champion")
    if not same_outputs(problem, signature):
        value["incomparable"] = _other(of_params(signature), problem)
        return None
    model, encoder, _ = _open(task, "champion")
    theirs = _score(model, encoder.encode_table(holdout.table), problem, "the champion")
    truth, days = holdout.truth, holdout.truth.day
    assert days is not None

    def compare(chosen: Bools) -> Difference:
        return problem.difference(spec.metric, truth.take(chosen), outputs[chosen], theirs[chosen], days[chosen])

    every = np.ones(len(truth), dtype=np.bool_)
    slices = paired_slices(holdout.table, spec.slices, problem, truth, compare)
    value["champion"] = problem.measure(truth, theirs)
    value["paired"] = {**compare(every).to_json(), "slices": slices}
    return theirs


def _asked_for(
    task: Task, value: EvaluateValue, rows: Answered, model: Model, encoder: Encoder, spec: Evaluation, problem: Problem
) -> None:
    """Put into the value what the spec asks for: how groups of people are treated on the holdout, and what becomes of the gate's
    metric with inputs that are missing, noisy, unknown or in another unit."""
    features = Features.model_validate(task.params["features"])
    if "fairness" in task.params:
        value["fairness"] = assess(rows, Fairness.model_validate(task.params["fairness"]), problem, features.keys)
    if spec.robustness is not None:

        def score(table: pa.Table) -> Outputs:
            return model.score(encoder.encode_table(table))

        value["robustness"] = tried(rows.table, rows.truth, score, features, problem, spec.metric, spec.robustness)


def _cold(task: Task, holdout: Rows, outputs: Outputs, spec: Evaluation, problem: Problem) -> ColdValue:
    """The cold twin of a fit that began from another's weights, row by row on the same rows."""
    model, encoder, _ = _open(task, "cold")
    theirs, truth = _score(model, encoder.encode_table(holdout.table), problem, "the cold fit"), holdout.truth
    assert truth.day is not None
    return {
        "metrics": problem.measure(truth, theirs),
        "paired": problem.difference(spec.metric, truth, outputs, theirs, truth.day).to_json(),
    }


def _explanations(
    model: Model, encoder: Encoder, train: Rows, holdout: Rows, spec: Evaluation, problem: Problem, file: Path
) -> ExplanationsValue:
    """Which features move the model. The rows that it is explained against are kept in the file: the gateway asks for them."""
    assert spec.explanations is not None
    asked = spec.explanations
    known = background.write_background(train.table, encoder, asked.background, asked.seed, file)
    rows = Explained(holdout.table, holdout.truth, holdout.encoded)
    return explain(model.score, encoder, rows, known, spec, problem)


def _privacy(
    task: Task, model: Model, encoder: Encoder, train: Rows, holdout: Rows, asked: MembershipCheck, problem: Problem
) -> PrivacyValue:
    """Whether the model gives away its training rows."""
    rows = pq.read_metadata(task.file("training_set", "train.parquet")).num_rows
    keys = Features(**task.params["features"]).keys
    known = Known(trained_share(task.input("train").value, rows), keys)
    sides = [Side(each.table, each.truth, each.encoded, each.numbers) for each in (train, holdout)]
    return privacy(model.score, encoder, sides[0], sides[1], known, asked, problem)


def _other(champion: Problem, problem: Problem) -> str:
    """Why the two cannot be compared."""
    theirs, ours = (f"{each.value_name} of {', '.join(each.outputs[:5])}" for each in (champion, problem))
    return f"the champion is a {theirs}, this model a {ours}"


def _baselines(train: Rows, holdout: Rows, encoder: Encoder, category: str | None, problem: Problem) -> dict[str, Metrics]:
    """Metrics of the baselines, fitted on all training rows; of more than TRAIN_ROWS on an even sample."""
    found: dict[str, Metrics] = {}
    if encoder.width:  # of texts alone there is nothing that trees could split
        forest = boosted(problem, train.numbers, train.truth, holdout.numbers, encoder.code_places, SEED)
        if forest is not None:
            found["boosted"] = problem.measure(holdout.truth, forest)
    if category:
        before = historical(problem, train.table, train.truth, holdout.table, category)
        found[problem.historical_name] = problem.measure(holdout.truth, before)
    return found


def _leaking(train: Rows, holdout: Rows, encoder: Encoder, problem: Problem) -> list[AloneValue]:
    """Inputs that predict the label too well, each alone."""
    known, held = (train.numbers, train.truth), (holdout.numbers, holdout.truth)
    return leaking_inputs(encoder.places, encoder.code_places, *known, *held, problem)
