"""Ridge regression on the label in NumPy, squashed to a probability in ONNX."""

from __future__ import annotations

import numpy as np

from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
    rows = np.nan_to_num(job.train.features)
    middle, spread = rows.mean(0), rows.std(0) + 1e-6
    scaled = (rows - middle) / spread
    target = 2 * job.train.labels - 1
    ridge = float(job.params["ridge"]) * np.eye(scaled.shape[1])
    weights = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ (target - target.mean()))
    job.report({"weight": float(np.abs(weights).max())}, step=1)
    job.model_path.write_bytes(onnx_bytes(middle, spread, weights, float(target.mean())))


def onnx_bytes(
    middle: np.ndarray[int, np.dtype[np.float32]],
    spread: np.ndarray[int, np.dtype[np.float32]],
    weights: np.ndarray[int, np.dtype[np.float32]],
    bias: float,
) -> bytes:
    """score = sigmoid(3 * (weights . scaled features + bias)); a missing value counts as 0."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {"nought": 0.0, "middle": middle, "spread": spread, "weights": 3 * weights, "bias": 3 * bias}
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "nought", "features"], ["known"]),
        helper.make_node("Sub", ["known", "middle"], ["centred"]),
        helper.make_node("Div", ["centred", "spread"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes, "shop",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(weights)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()],
    )  # fmt: skip
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
