"""From a scikit-learn classifier to the ONNX file that Slipstream serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OPSET = 17


def export_classifier(model: Any, inputs: int, path: Path) -> None:
    """Write a fitted binary classifier with `predict_proba` (a pipeline, too) as `features` [n, inputs] → `score` [n].

    :param inputs: columns of the features it was fitted on
    Raises what skl2onnx raises for an estimator that it cannot convert.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    final = model.steps[-1][1] if hasattr(model, "steps") else model
    types = [("features", FloatTensorType([None, inputs]))]
    converted = to_onnx(model, initial_types=types, options={id(final): {"zipmap": False}}, target_opset=OPSET)
    graph = converted.graph
    probabilities = graph.output[1].name
    one, axis = _constant(numpy_helper, "positive_class", 1), 1
    graph.initializer.append(one)
    graph.node.append(helper.make_node("Gather", [probabilities, one.name], ["score"], axis=axis, name="positive_class_only"))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]))
    onnx.checker.check_model(converted)
    path.write_bytes(converted.SerializeToString())


def _constant(numpy_helper: Any, name: str, value: int) -> Any:
    import numpy as np

    return numpy_helper.from_array(np.array(value, dtype=np.int64), name)
