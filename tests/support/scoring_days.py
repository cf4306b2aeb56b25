"""Published days of a small model, and its ONNX file, as their steps leave them in the ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper

from include.core.ledger import Ledger
from include.core.request import Outcome, Ref, Request
from include.core.spec import Feature, Features, View
from include.data.window import moment
from include.model_contract.encoder import Encoder
from include.problems.of import signature_of

FEATURES = Features(
    build="a.b:c",
    entities="a.b:d",
    labels="a.b:e",
    views=(View(name="weather", keys=("origin",), features=(Feature(name="temp", default=10.0),), ttl=timedelta(hours=12)),),
    request=(Feature(name="carrier_code", dtype="category"),),
)
DAYS = ("2013-04-01", "2013-04-02")


def weather(day: str, value: float) -> pa.Table:
    hours = [moment(day) + timedelta(hours=h) for h in range(24)]
    return pa.table({"origin": ["JFK"] * 24, "event_timestamp": _times(hours), "temp": [value + h for h in range(24)]})


def entities(day: str, count: int) -> pa.Table:
    """`count` requests a minute apart from 00:30 on, latest first; every third from an airport without weather."""
    at = [moment(day) + timedelta(minutes=30 + n) for n in reversed(range(count))]
    origins = ["EWR" if n % 3 == 0 else "JFK" for n in reversed(range(count))]
    carriers = ["UA" if n % 2 else "??" for n in reversed(range(count))]
    ids = [f"{day}-{n}" for n in reversed(range(count))]
    return pa.table({"request_id": ids, "event_timestamp": _times(at), "origin": origins, "carrier_code": carriers})


def model() -> bytes:
    """score = sigmoid(temp / 100 + carrier code)."""
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["squashed"]),
        helper.make_node("Squeeze", ["squashed", "axis"], ["score"]),
    ]
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [2, 1], [0.01, 1.0])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [weights, axis],
    )
    opset = helper.make_opsetid("", 18)
    return bytes(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString())


def publish(ledger: Ledger, folder: Path, count: int = 9, problem: dict[str, Any] | None = None) -> dict[str, Ref]:
    """Inputs of a `score` request: the model, trained for `problem`, and two days."""
    encoder = Encoder.fit(pa.table({"temp": [1.0, 2.0], "carrier_code": ["UA", "AA"]}), FEATURES.inputs, "late")
    signature = json.dumps({**encoder.to_json(), **signature_of({"problem": problem})}).encode()
    inputs = {"train": _commit(ledger, "train", {"model.onnx": model(), "signature.json": signature}, folder)}
    for place, day in enumerate(DAYS):
        tables = {"weather.parquet": weather(day, 100.0 * place), "entities.parquet": entities(day, count)}
        inputs[day] = _commit(ledger, "features", tables, folder)
    return inputs


def request(inputs: dict[str, Ref], **changes: Any) -> Request:
    params = {"day": DAYS[1], "features": FEATURES.model_dump(mode="json"), "version": 7, **changes}
    return Request("score", "include.scoring.score_step:run", "late_small", params, inputs)


def _commit(ledger: Ledger, step: str, contents: dict[str, Any], folder: Path) -> Ref:
    here = folder / f"{step}-{len(list(folder.iterdir()))}"
    here.mkdir()
    for name, content in contents.items():
        if isinstance(content, bytes):
            (here / name).write_bytes(content)
        else:
            pq.write_table(content, here / name)
    made = Request(step, "tests:none", "late_small", {"folder": here.name})
    outcome = Outcome({}, {name: here / name for name in contents})
    return ledger.ref(ledger.commit(made, ledger.open_attempt(made.key, 0), outcome, 0.0))


def _times(values: list[datetime]) -> pa.Array:
    return pa.array(values, pa.timestamp("us"))
