"""Step `evaluate` of a model without labelled rows: what can be measured all the same, and a gate that is closed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from include.core.request import Outcome, Ref, Request
from include.core.spec import Evaluation, ModelSpec
from include.core.task import Task
from include.evaluation.gate import decide
from include.evaluation.latency import LATENCY_ROWS, measure_latency
from include.evaluation.remote import served_by
from include.evaluation.report import render
from include.evaluation.request import section_of
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import Encoded, model_file, open_model
from include.problems.of import params_of
from include.problems.stated import state
from include.step_values.evaluation import EvaluateValue

FUNCTION = "include.evaluation.unlabelled_step:run"
SEED = 7
WORDS = ("the", "dress", "fits", "well", "but", "its", "colour", "is", "not", "what", "I", "saw", "and", "a", "seam", "came")


def unlabelled_request(spec: ModelSpec, train: Ref, why: str) -> Request:
    """`why`: why there are no labelled rows, in words."""
    params = {
        "evaluation": section_of(spec),
        "threshold": spec.serving.threshold,
        "why": why,
        **params_of(spec),
    }
    return Request.of("evaluate", FUNCTION, spec.name, params=params, inputs={"train": train})


def run(task: Task) -> Outcome:
    """Input `train`; params `evaluation`, `threshold`, `problem`, `why`. Latency is measured on made-up rows, and the
    size of the file.

    The value is that of `evaluate`, of no rows: no metrics, no baselines, no champion. Its gate is closed, and says so.
    """
    spec = Evaluation(**task.params["evaluation"])
    path = task.file("train", model_file(task.input("train").files))
    signature: Mapping[str, Any] = json.loads(task.file("train", "signature.json").read_text())
    rows = made_up(Encoder.from_json(signature))
    value: EvaluateValue = {
        "rows": 0,
        "metrics": {},
        "champion": None,
        "baselines": {},
        "slices": [],
        "calibration": [],
        "latency_ms": measure_latency(open_model(path, task.settings.environ), rows, spec.max_latency_ms),
        "bytes": path.stat().st_size,
    }
    state(value, task.params)
    if address := served_by(path):
        value["remote"] = address
    # The metric at its floor: of the gate's conditions those remain that need no labels.
    others = decide({**value, "metrics": {spec.metric: spec.minimum if spec.minimum is not None else 0.0}}, spec).reasons
    value["gate"] = {"passed": False, "reasons": [f"nothing was evaluated: {task.params['why']}", *others]}
    report = task.workdir / "report.html"
    report.write_text(render(task.request.model, value, []))
    return Outcome(value, {"report.html": report})


def made_up(encoder: Encoder) -> Encoded:
    """Rows of random numbers, of random known codes and of random words, as the model takes them."""
    rng = np.random.default_rng(SEED)
    if encoder.form == "columns":
        values = {each.name: _made_up_values(each, rng) for each in encoder.inputs}
        return encoder.encode_rows([{name: column[row] for name, column in values.items()} for row in range(LATENCY_ROWS)])
    sizes = [each.cardinality for each in encoder.inputs for _ in each.places]
    columns = [rng.integers(0, size, LATENCY_ROWS) if size else rng.normal(size=LATENCY_ROWS) for size in sizes]
    return np.column_stack(columns).astype(np.float32)


def _made_up_values(each: Input, rng: np.random.Generator) -> list[Any]:
    if each.dtype == "text":
        return [" ".join(rng.choice(WORDS, 40)) for _ in range(LATENCY_ROWS)]
    if each.dtype == "category":
        return [str(value) for value in rng.choice([*each.categories, "never seen"], LATENCY_ROWS)]
    return list(rng.normal(size=(LATENCY_ROWS, each.length) if each.length else LATENCY_ROWS))
