"""From a scikit-learn classifier to the ONNX file that Slipstream serves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from include.core.author import describe
from include.core.errors import DataError

OPSET = 17
GAP = 1e-4  # largest difference from predict_proba that is let through
FLAG = "nodes_missing_value_tracks_true"  # of a node: a missing value goes where a value below the threshold does
PROBES = 256  # rows that the file must score as the classifier does

WORKS = (
    "LogisticRegression", "HistGradientBoostingClassifier", "GradientBoostingClassifier", "RandomForestClassifier",
    "ExtraTreesClassifier", "DecisionTreeClassifier", "MLPClassifier", "GaussianNB",
)  # fmt: skip


def export_classifier(model: Any, inputs: int, path: Path) -> None:
    """Write a fitted binary classifier with `predict_proba` (a pipeline, too) as `features` [n, inputs] → `score` [n].

    :param inputs: columns of the features it was fitted on
    Raises DataError for a classifier that cannot be converted, or whose file scores otherwise than it does.
    """
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    if not hasattr(model, "predict_proba"):
        raise _refused(final, "it has no predict_proba, so it gives no probability.")
    if len(getattr(model, "classes_", (0, 1))) != 2:
        raise _refused(final, f"it tells {len(model.classes_)} classes apart, and a score is about two.")
    if np.any(getattr(final, "is_categorical_", None) is not None):
        raise _refused(final, "its categorical_features are lost in the file; leave them out, the codes are numbers.")
    try:
        converted = _convert(_flat_baseline(model), inputs)
    except Exception as error:  # noqa: BLE001 - converters raise what they like
        raise _refused(final, f"{describe(error)}.") from None
    _check_scores(model, final, converted, inputs)
    path.write_bytes(converted)


def _convert(model: Any, inputs: int) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    final = model.steps[-1][1] if hasattr(model, "steps") else model
    types = [("features", FloatTensorType([None, inputs]))]
    with whole_flags():
        converted = to_onnx(model, initial_types=types, options={id(final): {"zipmap": False}}, target_opset=OPSET)
    graph = converted.graph
    send_missing(final, graph)
    probabilities = graph.output[1].name
    one, axis = numpy_helper.from_array(np.array(1, dtype=np.int64), "positive_class"), 1
    graph.initializer.append(one)
    graph.node.append(helper.make_node("Gather", [probabilities, one.name], ["score"], axis=axis, name="positive_class_only"))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]))
    onnx.checker.check_model(converted)
    written: bytes = converted.SerializeToString()
    return written


def send_missing(final: Any, graph: Any) -> None:
    """Let a missing value go where scikit-learn's trees send it: skl2onnx leaves that out, and the file would send it right."""
    from onnx import helper

    trees = [each.tree_ for each in np.ravel(getattr(final, "estimators_", [final])) if hasattr(each, "tree_")]
    nodes = [node for node in graph.node if node.op_type in ("TreeEnsembleClassifier", "TreeEnsembleRegressor")]
    if not trees or len(nodes) != 1 or not hasattr(trees[0], "missing_go_to_left"):
        return
    (node,) = nodes
    held = {attribute.name: attribute for attribute in node.attribute}
    places = zip(held["nodes_treeids"].ints, held["nodes_nodeids"].ints, strict=True)
    left = [int(trees[tree].missing_go_to_left[place]) for tree, place in places]
    if FLAG in held:
        node.attribute.remove(held[FLAG])
    node.attribute.append(helper.make_attribute(FLAG, left))


@contextmanager
def whole_flags() -> Iterator[None]:
    """skl2onnx gives a boolean for where missing values go, and onnx takes whole numbers only."""
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def with_number(*args: Any, nodes_missing_value_tracks_true: Any = 0, **more: Any) -> Any:
        return add_node(*args, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **more)

    tree_ensemble.add_node = with_number
    try:
        yield
    finally:
        tree_ensemble.add_node = add_node


def convertible(model: Any) -> Any:
    """What skl2onnx takes in the model's place."""
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    several = np.size(getattr(final, "_baseline_prediction", 0)) > 1
    return model if several else _flat_baseline(model)


def _flat_baseline(model: Any) -> Any:
    """The model, with the baseline of a histogram gradient boosting as a row: skl2onnx expects no column."""
    final = model.steps[-1][1] if hasattr(model, "steps") else model
    if np.ndim(getattr(final, "_baseline_prediction", 0)) < 2:
        return model
    flat = copy.copy(final)
    flat._baseline_prediction = np.ravel(final._baseline_prediction)
    if final is model:
        return flat
    pipeline = copy.copy(model)
    pipeline.steps = [*model.steps[:-1], (model.steps[-1][0], flat)]
    return pipeline


def _check_scores(model: Any, final: Any, converted: bytes, inputs: int) -> None:
    """Raises DataError unless the file scores as the classifier does, missing values too where it takes them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(7)
    numbers = rng.normal(size=(PROBES, inputs)).astype(np.float32)
    holes = np.where(rng.random(numbers.shape) < 0.3, np.float32(np.nan), numbers)
    for which, rows in (("numbers", numbers), ("counts", np.floor(np.abs(4 * numbers))), ("missing values", holes)):
        try:
            expected = model.predict_proba(rows)[:, 1]
        except (ValueError, IndexError):  # it takes no such values: nothing to compare
            continue
        try:
            scores = session.run(None, {"features": rows})[0]
        except Exception as error:  # noqa: BLE001 - the runtime's own classes
            raise _refused(final, f"the file cannot score {which}: {describe(error)}.") from None
        gap = float(np.max(np.abs(scores - expected), initial=0.0))
        if not gap <= GAP:
            raise _refused(final, f"for {which} the file's scores differ from predict_proba by up to {gap:.4g}.")


def _refused(final: Any, why: str) -> DataError:
    return DataError(
        f"{type(final).__name__} cannot be exported to ONNX: {why}",
        safe="no file was written.",
        hint=f"use one of {', '.join(WORKS)}, or export by other means.",
    )
