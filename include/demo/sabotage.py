"""A broken version: the champion's ONNX file with a classic accident in it. Registered, never trained or evaluated.

`rescaled`: `hour` arrives as minutes past midnight where the model learnt hours. `inverted`: the classes are the wrong way
round, so it answers with the chance of being on time. Every offline check was passed by another file: only the rollout can
catch it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from include.backends.onnx.file import read_model
from include.core.ledger import Ledger
from include.core.request import Json, Outcome, Ref, Request
from include.core.settings import Settings
from include.core.task import Task, perform
from include.versions.record import VersionRecord

if TYPE_CHECKING:
    from onnx import GraphProto

INPUT, FACTOR = "hour", 60.0

Accident = Literal["rescaled", "inverted"]
WORDS = {"rescaled": f"{INPUT} x {FACTOR:g}", "inverted": "it answers with the chance of being on time"}


def break_model(champion: VersionRecord, accident: Accident, ledger: Ledger, settings: Settings) -> Ref:
    """Commit the broken file to the ledger; returns its Ref. The same champion and accident give the same file."""
    source = champion.entry.lineage.train
    made = ledger.request(ledger.resolve(source).key)
    request = Request.of(
        "train", "include.demo.sabotage:run", made.model,
        params={**made.params, **_params(accident)}, inputs={"source": source},
    )  # fmt: skip
    known = ledger.result(request.key)
    if known is None:
        request = replace(request, code=made.code)
        ledger.record(request)
        known = ledger.result(request.key) or perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    return ledger.ref(known)


def _params(accident: Accident) -> dict[str, Json]:
    return {"inverted": True} if accident == "inverted" else {"rescaled": INPUT, "factor": FACTOR}


def run(task: Task) -> Outcome:
    """Params: `inverted`; or `rescaled`, the input, and `factor`."""
    import onnx

    model = onnx.load_model_from_string(read_model(task.file("source", "model.onnx")))
    signature = task.file("source", "signature.json")
    if task.params.get("inverted"):
        _invert(model.graph)
    else:
        names = [one["name"] for one in json.loads(signature.read_text())["inputs"]]
        _rescale(model.graph, names, task.params["rescaled"], task.params["factor"])
    onnx.checker.check_model(model)
    path = task.workdir / "model.onnx"
    onnx.save(model, str(path))
    return Outcome({"metrics": {}, "history": []}, {"model.onnx": path, "signature.json": signature})


def _rescale(graph: GraphProto, names: list[str], name: str, factor: float) -> None:
    """Multiply one column of the tensor before anything else sees it."""
    from onnx import helper, numpy_helper

    scale = np.ones((1, len(names)), dtype=np.float32)
    scale[0, names.index(name)] = factor
    tensor = graph.input[0].name
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == tensor:
                node.input[position] = "rescaled_features"
    graph.initializer.append(numpy_helper.from_array(scale, "rescaling"))
    graph.node.insert(0, helper.make_node("Mul", [tensor, "rescaling"], ["rescaled_features"], name="rescale"))


def _invert(graph: GraphProto) -> None:
    """Answer with 1 - score."""
    from onnx import helper, numpy_helper

    score, right = graph.output[0].name, "right_way_round"
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == score:
                    names[position] = right
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.float32), "one"))
    graph.node.append(helper.make_node("Sub", ["one", right], [score], name="invert"))
