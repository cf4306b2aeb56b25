"""Measuring the latency again of a model whose gate it closed, without computing the evaluation anew."""

from __future__ import annotations

import json
import shutil

import pyarrow.parquet as pq

from include.core.request import Outcome
from include.core.spec import Evaluation
from include.core.task import Task
from include.evaluation import int8
from include.evaluation.gate import decide
from include.evaluation.latency import LATENCY_ROWS, measure_latency
from include.evaluation.report import render
from include.explanations import background
from include.model_contract.encoder import Encoder
from include.model_contract.model import model_file, open_model
from include.step_values.evaluation import EvaluateValue
from include.step_values.training import TrainValue


def run(task: Task) -> Outcome:
    """Inputs `evaluation`, `training_set` and `train`; params as the evaluation's, and which measurement this is.

    The evaluation's value with another `latency_ms` and the gate that follows from it; its report, its other files.
    """
    spec = Evaluation(**task.params["evaluation"])
    before = task.input("evaluation").read(EvaluateValue)
    holdout = pq.read_table(task.file("training_set", "holdout.parquet")).slice(0, LATENCY_ROWS)
    signature = json.loads(task.file("train", "signature.json").read_text())
    rows = Encoder.from_json(signature).encode_table(holdout)
    model = open_model(task.file("train", model_file(task.input("train").files)), task.settings.environ)
    value: EvaluateValue = {**before, "latency_ms": measure_latency(model, rows, spec.max_latency_ms)}
    value["measured_again"] = int(task.params["measurement"])
    value["gate"] = decide(value, spec).to_json()
    files = {"report.html": task.workdir / "report.html"}
    files["report.html"].write_text(render(task.request.model, value, task.input("train").read(TrainValue)["history"]))
    for name in (int8.FILE, background.FILE):
        if name in task.input("evaluation").files:
            files[name] = task.workdir / name
            shutil.copyfile(task.file("evaluation", name), files[name])
    return Outcome(value, files)
