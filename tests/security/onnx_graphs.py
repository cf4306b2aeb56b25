"""ONNX models made by hand, harmless and hostile, and a canary that nobody may open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CANARY = "canary.bin"
AXIS = numpy_helper.from_array(np.array([1]), "axis")


def outside(name: str = "w", location: str = CANARY) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1, 4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def port(name: str, shape: list[object] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes: list[onnx.NodeProto], initializers: tuple[TensorProto, ...] = (), functions: object = ()) -> onnx.ModelProto:
    """`nodes` make `m` [n, 4] of `features`; the score is its sum over the axis."""
    last = helper.make_node("ReduceSum", ["m", "axis"], ["score"], keepdims=0)
    graph = helper.make_graph([*nodes, last], "g", [port("features", ["n", 4])], [port("score", ["n"])], [AXIS, *initializers])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))  # type: ignore[call-overload]


def harmless() -> onnx.ModelProto:
    return model([helper.make_node("Identity", ["features"], ["m"])])


def product(*before: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [*before, helper.make_node("Mul", ["features", "w"], ["m"])]


def constant(**value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["w"], **value)


def sparse(**tensors: TensorProto) -> onnx.SparseTensorProto:
    inside = {
        "values": helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]),
        "indices": helper.make_tensor("i", TensorProto.INT64, [1], [0]),
    }
    return onnx.SparseTensorProto(dims=[1, 4], **{**inside, **tensors})


def branch(depth: int = 1, tensor: TensorProto | None = None) -> onnx.NodeProto:
    """An If whose branches hold a constant, by default in another file, so many graphs deep."""
    graph = leaf = helper.make_graph([constant(value=tensor or outside())], "leaf", [], [port("w", [1, 4])])
    for _ in range(depth):
        node = helper.make_node("If", ["yes"], ["w"], then_branch=graph, else_branch=leaf)
        graph = helper.make_graph([node], "inner", [], [port("w", [1, 4])])
    return node


def loop(operator: str) -> onnx.NodeProto:
    body = helper.make_graph([constant(value=outside())], "body", [], [port("w", [1, 4])])
    return helper.make_node(operator, ["features"], ["w"], body=body)


def function(node: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("mine", "f", ["x"], ["w"], [node], [helper.make_opsetid("", 17)])


def calling(made: onnx.FunctionProto) -> onnx.ModelProto:
    return model(product(helper.make_node("f", ["features"], ["w"], domain="mine")), functions=[made])


def with_default() -> onnx.ModelProto:
    made = function(helper.make_node("Identity", ["x"], ["w"]))
    made.attribute_proto.append(helper.make_attribute("a", outside()))
    return calling(made)


def with_sparse(**tensors: TensorProto) -> onnx.ModelProto:
    made = model(product())
    made.graph.sparse_initializer.append(sparse(**tensors))
    return made


def with_training(field: str) -> onnx.ModelProto:
    made = harmless()
    graph = helper.make_graph([], "t", [], [], [outside()])
    getattr(made.training_info.add(), field).CopyFrom(graph)
    return made


def merged() -> bytes:
    """A second graph: a parser adds it to the first one."""
    extra = onnx.ModelProto()
    extra.graph.initializer.append(outside())
    return model(product()).SerializeToString() + extra.SerializeToString()


YES = numpy_helper.from_array(np.array(True), "yes")


def written(made: onnx.ModelProto | bytes, path: Path) -> Path:
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path
