"""Linear models as ONNX files, written by hand: a fit that needs no library, for tests of training and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from include.training.job import TrainingJob

HERE = "tests.support.linear_models"


def linear(weights: np.ndarray, bias: np.ndarray, activation: str = "") -> bytes:
    """`weights` [inputs, k], `bias` [k]: features [n, inputs] to [n] where k is 1, else [n, k]. What is missing counts as 0."""
    inputs, outputs = weights.shape
    constants = {"zero": np.float32(0), "weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node(activation or "Identity", ["sum"], ["answers"]),
    ]
    shape: list[str | int] = ["n", outputs]
    if outputs == 1:
        constants["axes"] = np.array([1])
        nodes.append(helper.make_node("Squeeze", ["answers", "axes"], ["score"]))
        shape = ["n"]
    else:
        nodes.append(helper.make_node("Identity", ["answers"], ["score"]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", inputs])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def fit_given(job: TrainingJob) -> None:
    """The probability with the weights and the bias of `params`: nothing is learned, so that it is the same everywhere."""
    weights = np.array(job.params["weights"], dtype=np.float64)[:, None]
    job.model_path.write_bytes(linear(weights, np.array([float(job.params["bias"])]), "Sigmoid"))
    job.report({"bias": float(job.params["bias"])}, step=1)
