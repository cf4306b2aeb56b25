"""Boosted trees of any library as an ONNX file: the sum of their leaves by output, through a link such as a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Test = Literal["BRANCH_LT", "BRANCH_LEQ"]
Link = Literal["sigmoid", "softmax", "identity", "exp", "square"]
OPSET, TREES_OPSET, FORMAT = 17, 3, 8


@dataclass
class Tree:
    """Nodes by number, the root first. A leaf has -1 for `left`; its `value` is what it adds."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)  # float32: a row goes left if its value is below (or equal: the test)
    missing_left: list[bool] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def branch(self, feature: int, threshold: float, *, missing_left: bool) -> int:
        """Add a branch whose sides are not known yet; its number."""
        return self._add(feature, threshold, missing_left, 0, 0, 0.0)

    def leaf(self, value: float) -> int:
        return self._add(0, 0.0, False, -1, -1, value)

    def _add(self, feature: int, threshold: float, missing_left: bool, left: int, right: int, value: float) -> int:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.missing_left.append(missing_left)
        self.left.append(left)
        self.right.append(right)
        self.value.append(value)
        return len(self.left) - 1


@dataclass(frozen=True)
class Ensemble:
    """Trees that add up, by output: `trees[k]` are those of output k.

    :param test: when a row goes left, by its value and the node's threshold, both float32
    :param bases: what every row begins with, an output each
    :param link: from the sums to the outputs
    :param scale: the sums are multiplied by it before the link
    """

    trees: Sequence[Sequence[Tree]]
    test: Test
    bases: Sequence[float]
    link: Link = "sigmoid"
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        return len(self.trees)


def write_ensemble(ensemble: Ensemble, path: Path, *, inputs: int, output: str) -> None:
    """Write `output` of `features` [n, inputs]: [n] of one output, [n, k] of several."""
    from onnx import TensorProto, helper

    attributes = _attributes(ensemble)
    nodes = [
        helper.make_node("TreeEnsembleRegressor", ["features"], ["sum"], domain="ai.onnx.ml", **attributes),
        helper.make_node("Mul", ["sum", "scale"], ["margin"]),
        *_link(ensemble.link),
    ]
    constants = [helper.make_tensor("scale", TensorProto.FLOAT, [], [ensemble.scale])]
    if ensemble.outputs == 1:
        nodes.append(helper.make_node("Reshape", ["column", "rows"], [output]))
        constants.append(helper.make_tensor("rows", TensorProto.INT64, [1], [-1]))
        shape: list[Any] = ["n"]
    else:
        nodes.append(helper.make_node("Identity", ["column"], [output]))
        shape = ["n", ensemble.outputs]
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", inputs])
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "trees", [given], [made], constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=FORMAT).SerializeToString(deterministic=True))


def _link(link: Link) -> list[Any]:
    """From `margin` to `column`."""
    from onnx import helper

    if link == "softmax":
        return [helper.make_node("Softmax", ["margin"], ["column"], axis=1)]
    if link == "square":  # of its sign: LightGBM's reg_sqrt
        return [helper.make_node("Abs", ["margin"], ["size"]), helper.make_node("Mul", ["margin", "size"], ["column"])]
    operator = {"sigmoid": "Sigmoid", "exp": "Exp", "identity": "Identity"}[link]
    return [helper.make_node(operator, ["margin"], ["column"])]


def _attributes(ensemble: Ensemble) -> dict[str, Any]:
    found: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "feature", "value", "mode", "left", "right", "missing")}
    leaves: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "target", "weight")}
    numbered = [(target, tree) for target, trees in enumerate(ensemble.trees) for tree in trees]
    for number, (target, tree) in enumerate(numbered):
        for node, left in enumerate(tree.left):
            leaf = left < 0
            row = (number, node, tree.feature[node], tree.threshold[node], "LEAF" if leaf else ensemble.test)
            sides = (max(left, 0), max(tree.right[node], 0), int(tree.missing_left[node]))
            for values, value in zip(found.values(), (*row, *sides), strict=True):
                values.append(value)
            if leaf:
                for values, value in zip(leaves.values(), (number, node, target, tree.value[node]), strict=True):
                    values.append(value)
    return {
        "n_targets": ensemble.outputs,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "base_values": list(ensemble.bases),
        "nodes_treeids": found["tree"],
        "nodes_nodeids": found["node"],
        "nodes_featureids": found["feature"],
        "nodes_values": found["value"],
        "nodes_hitrates": [1.0] * len(found["tree"]),
        "nodes_modes": found["mode"],
        "nodes_truenodeids": found["left"],
        "nodes_falsenodeids": found["right"],
        "nodes_missing_value_tracks_true": found["missing"],
        "target_treeids": leaves["tree"],
        "target_nodeids": leaves["node"],
        "target_ids": leaves["target"],
        "target_weights": leaves["weight"],
    }
