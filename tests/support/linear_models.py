"""Linear models as ONNX files, written by hand: a fit that needs no library, for tests of training and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from include.training.job import TrainingJob

HERE = "tests.support.linear_models"


def linear(weights: np.ndarray, bias: np.ndarray, activation: str = "", name: str = "score") -> bytes:
    """`weights` [inputs, k], `bias` [k]: features [n, inputs] to the output `name`, [n] where k is 1, else [n, k].

    What is missing counts as 0, and inputs beyond 1,000 as 1,000.
    """
    inputs, outputs = weights.shape
    constants = {
        "zero": np.float32(0),
        "least": np.float32(-1000),
        "most": np.float32(1000),
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["known"]),
        helper.make_node("Clip", ["known", "least", "most"], ["filled"]),
        helper.make_node("MatMul", ["filled", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node(activation or "Identity", ["sum"], ["answers"]),
    ]
    shape: list[str | int] = ["n", outputs]
    if outputs == 1:
        constants["axes"] = np.array([1])
        nodes.append(helper.make_node("Squeeze", ["answers", "axes"], [name]))
        shape = ["n"]
    else:
        nodes.append(helper.make_node("Identity", ["answers"], [name]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", inputs])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def fit_given(job: TrainingJob) -> None:
    """The probability with the weights and the bias of `params`: nothing is learned, so that it is the same everywhere."""
    weights = np.array(job.params["weights"], dtype=np.float64)[:, None]
    job.model_path.write_bytes(linear(weights, np.array([float(job.params["bias"])]), "Sigmoid"))
    job.report({"bias": float(job.params["bias"])}, step=1)


def fit_linear(job: TrainingJob) -> None:
    """Least squares for any problem: of a class's place in the list of classes, as 0 and 1; the file's own outputs are expected.

    `params`: `noise` is added to the weights, for a worse model; `spread` is half an interval's width.
    """
    filled = np.clip(np.nan_to_num(job.train.features.astype(np.float64)), -1000, 1000)
    rows, labels = np.column_stack([filled, np.ones(len(filled))]), job.train.labels.astype(np.float64)
    kind, outputs = job.problem.value.kind, job.outputs
    targets = (labels[:, None] == np.arange(len(outputs))).astype(np.float64) if kind == "multiclass" else labels[:, None]
    weight = np.ones(len(rows)) if job.train.weights is None else np.sqrt(job.train.weights.astype(np.float64))
    found = np.linalg.lstsq(rows * weight[:, None], targets * weight[:, None], rcond=None)[0]
    found[:-1] += np.random.default_rng(job.seed).normal(size=found[:-1].shape) * float(job.params.get("noise", 0.0))
    if kind == "multiclass":
        found *= 4.0  # of least squares on 0 and 1, which are no logits
    if len(outputs) == 3 and kind == "regression":
        found = np.repeat(found, 3, axis=1)
        found[-1] += np.array([0.0, -1.0, 1.0]) * float(job.params["spread"])
    activation = {"binary": "Sigmoid", "multiclass": "Softmax"}.get(kind, "")
    job.model_path.write_bytes(linear(found[:-1], found[-1], activation, outputs[0]))
    job.report({"rows": len(rows)}, step=1)


def fit_crossed(job: TrainingJob) -> None:
    """An interval whose ends are the wrong way round."""
    weights, bias = np.zeros((len(job.inputs), 3)), np.array([0.0, 1.0, -1.0])
    job.model_path.write_bytes(linear(weights, bias))


def fit_logits(job: TrainingJob) -> None:
    """Classes whose probabilities were never made of the logits."""
    weights = np.ones((len(job.inputs), len(job.outputs)))
    job.model_path.write_bytes(linear(weights, np.zeros(len(job.outputs))))


def fit_one(job: TrainingJob) -> None:
    """One output, whatever was asked for."""
    job.model_path.write_bytes(linear(np.zeros((len(job.inputs), 1)), np.zeros(1), name=job.outputs[0]))
