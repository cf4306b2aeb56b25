"""The INT8 variant: made, measured, and let through only where it is faster and as good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from include.backends.onnx.model import open_model
from include.core.spec import Binary, Evaluation
from include.evaluation.int8 import variant
from include.problems.of import PLAIN, problem_of
from include.problems.truth import Truth

SPEC = Evaluation(int8=True)


def network(path: Path, width: int) -> Path:
    """A sigmoid over a hidden layer of that width; its inputs are four numbers."""
    random = np.random.default_rng(7)
    weights = {
        "a": random.normal(0, 1, (4, width)),
        "b": random.normal(0, 1, (width, width)) / width,
        "c": np.ones((width, 1)) / width,
    }
    nodes = [
        helper.make_node("MatMul", ["features", "a"], ["x"]),
        helper.make_node("MatMul", ["x", "b"], ["y"]),
        helper.make_node("MatMul", ["y", "c"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["wide"]),
        helper.make_node("Squeeze", ["wide", "axis"], ["score"]),
    ]
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [*constants, numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and labels that the model ranks rightly."""
    some = np.random.default_rng(1).normal(0, 1, (400, 4)).astype(np.float32)
    scores = open_model(path).score(some)
    return some, (scores > np.median(scores)).astype(np.float64)


def test_a_wide_network_gets_smaller_and_faster_and_stays_as_good(tmp_path: Path) -> None:
    path = network(tmp_path / "model.onnx", 1024)
    features, labels = rows(path)
    found = variant(path, tmp_path / "small.onnx", features, Truth(labels), SPEC, PLAIN)
    assert found["bytes"] < path.stat().st_size / 3
    assert found["largest_difference"] < 0.05
    assert found["metrics"]["auc"] > 0.99
    assert found["accepted"] is (not found["reason"])


def test_a_loss_beyond_the_margin_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = network(tmp_path / "model.onnx", 32)
    features, labels = rows(path)
    strict = Evaluation(int8=True, int8_margin=0.0)
    found = variant(path, tmp_path / "small.onnx", features, Truth(labels), strict, PLAIN)
    assert not found["accepted"]
    assert found["metrics"]["auc"] < 1.0
    assert "int8_margin" in found["reason"]


def test_one_class_alone_is_no_comparison(tmp_path: Path) -> None:
    path = network(tmp_path / "model.onnx", 8)
    features, labels = rows(path)
    found = variant(path, tmp_path / "small.onnx", features, Truth(np.zeros_like(labels)), SPEC, PLAIN)
    assert (found["accepted"], found["reason"]) == (False, "auc is not defined on these rows")


def test_the_margin_is_judged_at_the_threshold(tmp_path: Path) -> None:
    path = network(tmp_path / "model.onnx", 8)
    features, labels = rows(path)
    middle = float(np.median(open_model(path).score(features)))
    by_accuracy = Evaluation(int8=True, metric="accuracy")
    found = variant(path, tmp_path / "small.onnx", features, Truth(labels), by_accuracy, problem_of(Binary(), middle))
    assert found["metrics"]["accuracy"] > 0.9  # at .5, where these scores do not reach, it would be a half


def test_the_variant_and_its_model_are_compared_in_the_same_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network(tmp_path / "model.onnx", 8)
    features, labels = rows(path)
    asked: list[int] = []

    def in_turns(models: list[object], *_: object) -> list[dict[str, float]]:
        asked.append(len(models))
        return [{"p50": 0.02, "p99": 0.03}, {"p50": 0.01, "p99": 0.02}]

    monkeypatch.setattr("include.evaluation.int8.measure_in_turns", in_turns)
    found = variant(path, tmp_path / "small.onnx", features, Truth(labels), SPEC, PLAIN)
    assert asked == [2]
    assert "not faster: p50 0.0200 ms against 0.0100 ms" in found["reason"] or "int8_margin" in found["reason"]


def test_a_model_that_cannot_be_quantised_falls_back_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network(tmp_path / "model.onnx", 8)
    features, labels = rows(path)
    found = variant(path, tmp_path / "no such folder" / "small.onnx", features, Truth(labels), SPEC, PLAIN)
    assert found["accepted"] is False
    assert "cannot be quantised" in found["reason"]
