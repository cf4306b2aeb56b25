"""A broken version: the champion's ONNX file with one input rescaled. Registered, never trained or evaluated.

It is the classic accident: `hour` arrives as minutes past midnight where the model learnt hours, after every
offline check was passed by another file. Only the rollout can catch it.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from include.backends.onnx.file import read_model
from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request
from include.core.settings import Settings
from include.core.task import Task, perform
from include.versions.record import VersionRecord

INPUT, FACTOR = "hour", 60.0


def break_model(champion: VersionRecord, ledger: Ledger, settings: Settings) -> Ref:
    """Commit the broken file to the ledger; returns its Ref. The same champion gives the same file."""
    source = champion.entry.lineage.train
    made = ledger.request(ledger.resolve(source).key)
    request = Request.of(
        "train", "include.demo.sabotage:run", made.model,
        params={**made.params, "rescaled": INPUT, "factor": FACTOR}, inputs={"source": source},
    )  # fmt: skip
    known = ledger.result(request.key)
    if known is None:
        request = replace(request, code=made.code)
        ledger.record(request)
        known = ledger.result(request.key) or perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    return ledger.ref(known)


def run(task: Task) -> Outcome:
    """Multiply one column of the tensor before anything else sees it."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(read_model(task.file("source", "model.onnx")))
    signature = task.file("source", "signature.json")
    names = [one["name"] for one in json.loads(signature.read_text())["inputs"]]
    scale = np.ones((1, len(names)), dtype=np.float32)
    scale[0, names.index(task.params["rescaled"])] = task.params["factor"]
    graph = model.graph
    tensor = graph.input[0].name
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == tensor:
                node.input[position] = "rescaled_features"
    graph.initializer.append(numpy_helper.from_array(scale, "rescaling"))
    graph.node.insert(0, helper.make_node("Mul", [tensor, "rescaling"], ["rescaled_features"], name="rescale"))
    onnx.checker.check_model(model)
    path = task.workdir / "model.onnx"
    onnx.save(model, str(path))
    return Outcome({"metrics": {}, "history": []}, {"model.onnx": path, "signature.json": signature})
