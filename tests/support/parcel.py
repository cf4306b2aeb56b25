"""A model that somebody else has trained for `tests.support.unmanaged.parcel`: two columns by name, the route as text."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

ROUTES = {"route": ["air", "sea"]}
SEA = 2.0  # what the sea adds before the sigmoid


def write_parcel(path: Path, slope: float = 1.0) -> Path:
    """score = sigmoid(slope * (weight - 1) + 2 if it goes by sea)."""
    nodes = [
        helper.make_node("LabelEncoder", ["route"], ["extra"], domain="ai.onnx.ml", keys_strings=["sea"], values_floats=[SEA],
                         default_float=0.0),
        helper.make_node("Constant", [], ["one"], value=helper.make_tensor("a", TensorProto.FLOAT, [], [1.0])),
        helper.make_node("Constant", [], ["slope"], value=helper.make_tensor("b", TensorProto.FLOAT, [], [slope])),
        helper.make_node("Sub", ["weight", "one"], ["over"]),
        helper.make_node("Mul", ["over", "slope"], ["steep"]),
        helper.make_node("Add", ["steep", "extra"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["probability"]),
    ]  # fmt: skip
    given = [
        helper.make_tensor_value_info("route", TensorProto.STRING, ["n", 1]),
        helper.make_tensor_value_info("weight", TensorProto.FLOAT, ["n", 1]),
    ]
    made = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(helper.make_graph(nodes, "parcel", given, made), opset_imports=opsets, ir_version=8), path)
    return path
