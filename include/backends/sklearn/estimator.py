"""A fitted scikit-learn estimator of any kind as the ONNX file that serves: classifiers, regressors, pipelines over columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.sklearn.export import OPSET, PROBES, convertible, send_missing, whole_flags
from include.backends.sklearn.texts import mend_texts, text_options
from include.core.author import describe
from include.core.errors import DataError
from include.model_contract.encoder import Encoder
from include.model_contract.input import Input

GAP = 1e-4  # largest difference from the estimator, as a share of its largest prediction where that is above 1
SAFE = "no file was written."


def export_estimator(model: Any, inputs: Encoder | int, outputs: Sequence[str], path: Path) -> None:
    """Write a fitted estimator.

    :param inputs: the encoder of a model that takes columns, or how many numbers a row of one tensor has
    :param outputs: the names of the problem's: of one output [n] is written, of several [n, k]
    Raises DataError for one that cannot be converted, or whose classes are not the outputs.
    """
    final = final_of(model)
    _check_classes(model, final, outputs)
    types = _tensor_type(inputs) if isinstance(inputs, int) else _column_types(model, inputs)
    try:
        proto = _converted(model, final, types)
        if not isinstance(inputs, int):
            mend_texts(model, proto)
            _join_vectors(proto, [name for name, _ in types], inputs.inputs)
        _name_outputs(proto, model, outputs)
    except Exception as error:  # noqa: BLE001 - converters raise what they like
        raise _refused(final, f"{describe(error)}.") from None
    written = proto.SerializeToString()
    if isinstance(inputs, int):
        _check_predictions(model, final, written, inputs, outputs)
    path.write_bytes(written)


def final_of(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _check_classes(model: Any, final: Any, outputs: Sequence[str]) -> None:
    if not hasattr(model, "predict_proba"):
        if len(outputs) > 1:
            raise _refused(final, f"it has no predict_proba, and the problem has {len(outputs)} outputs.")
        return
    wanted = max(2, len(outputs))
    classes = [float(each) for each in model.classes_]
    if classes != list(range(wanted)):
        raise _refused(
            final,
            f"its classes are {classes[:10]}, and the problem's are the places 0 to {wanted - 1}: fit it on job.train.labels.",
        )
    if np.any(getattr(final, "is_categorical_", None) is not None):
        raise _refused(final, "its categorical_features are lost in the file; leave them out, the codes are numbers.")


def _tensor_type(inputs: int) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType

    return [("features", FloatTensorType([None, inputs]))]


def _column_types(model: Any, encoder: Encoder) -> list[tuple[str, Any]]:
    """Of the columns that it was fitted on, in its order."""
    from skl2onnx.common import data_types as onnx_types

    kinds = {"object": "StringTensorType", "int64": "Int64TensorType", "bool": "BooleanTensorType"}
    by_name = {place: each for each in encoder.inputs for place in (each.places or (each.name,))}
    names = [str(name) for name in getattr(model, "feature_names_in_", by_name)]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise DataError(
            f"The model was fitted on columns that are no inputs: {unknown}.", seen=sorted(by_name), safe=SAFE,
            hint="fit it on frame(job.train).",
        )  # fmt: skip
    return [(name, getattr(onnx_types, kinds.get(by_name[name].array, "FloatTensorType"))([None, 1])) for name in names]


def _converted(model: Any, final: Any, types: Sequence[tuple[str, Any]]) -> Any:
    from skl2onnx import to_onnx

    options: dict[Any, Any] = text_options(model)
    taken = convertible(model)
    if hasattr(model, "predict_proba"):
        options[id(final_of(taken))] = {"zipmap": False}
    with whole_flags():
        proto = to_onnx(taken, initial_types=list(types), options=options, target_opset=OPSET)
    send_missing(final, proto.graph)
    return proto


def _name_outputs(proto: Any, model: Any, outputs: Sequence[str]) -> None:
    """Of a classifier its probabilities, of a regressor what it predicts: [n] under the output's name, or [n, k]."""
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph
    shape: list[str | int | None] = ["n"] if len(outputs) == 1 else ["n", len(outputs)]
    name = outputs[0] if len(outputs) == 1 else "outputs"
    made = graph.output[1].name if hasattr(model, "predict_proba") else graph.output[0].name
    if hasattr(model, "predict_proba"):
        made = _within_bounds(graph, made)
    if len(outputs) > 1:
        node = helper.make_node("Identity", [made], [name])
    elif hasattr(model, "predict_proba"):
        graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), "positive_class"))
        node = helper.make_node("Gather", [made, "positive_class"], [name], axis=1)
    else:
        graph.initializer.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "in_a_row"))
        node = helper.make_node("Reshape", [made, "in_a_row"], [name])
    graph.node.append(node)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    _drop_unread(graph)


def _within_bounds(graph: Any, probabilities: str) -> str:
    """A forest's shares add up to 1.0000001 in float32."""
    from onnx import helper, numpy_helper

    for name, value in (("least", 0.0), ("most", 1.0)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.float32), f"{name}_probability"))
    bounded = f"{probabilities}_bounded"
    graph.node.append(helper.make_node("Clip", [probabilities, "least_probability", "most_probability"], [bounded]))
    return bounded


def _drop_unread(graph: Any) -> None:
    """Inputs that no node reads: columns that a transformer drops."""
    read = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.input if each.name in read]
    del graph.input[:]
    graph.input.extend(kept)


def _join_vectors(proto: Any, given: Sequence[str], inputs: Sequence[Input]) -> None:
    """A vector is one input [n, k]; the pipeline reads each of its numbers as a column [n, 1].

    :param given: the names of the columns, in the order of the graph's inputs: the converter has others for some
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = proto.graph
    read = {name for node in graph.node for name in node.input}
    theirs = {ours: port.name for ours, port in zip(given, graph.input, strict=True) if port.name in read}
    for each in inputs:
        places = [(place, theirs[name]) for place, name in enumerate(each.places) if each.length and name in theirs]
        if not places:
            continue
        nodes = []
        for place, name in places:
            where = f"{name}_place"
            graph.initializer.append(numpy_helper.from_array(np.array([place], dtype=np.int64), where))
            nodes.append(helper.make_node("Gather", [each.name, where], [name], axis=1))
        rest, ports = list(graph.node), [port for port in graph.input if port.name not in {name for _, name in places}]
        del graph.node[:]
        graph.node.extend([*nodes, *rest])
        del graph.input[:]
        graph.input.extend([*ports, helper.make_tensor_value_info(each.name, TensorProto.FLOAT, ["n", each.length])])


def _check_predictions(model: Any, final: Any, written: bytes, inputs: int, outputs: Sequence[str]) -> None:
    """Raises DataError unless the file predicts as the estimator does, missing values too where it takes them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(7)
    numbers = rng.normal(size=(PROBES, inputs)).astype(np.float32)
    holes = np.where(rng.random(numbers.shape) < 0.3, np.float32(np.nan), numbers)
    for which, rows in (("numbers", numbers), ("counts", np.floor(np.abs(4 * numbers))), ("missing values", holes)):
        try:
            expected = model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)
        except (ValueError, IndexError):  # it takes no such values: nothing to compare
            continue
        expected = expected[:, 1] if expected.ndim == 2 and len(outputs) == 1 else expected
        found = session.run(None, {"features": rows})[0]
        gap = float(np.max(np.abs(found - expected), initial=0.0)) / max(1.0, float(np.max(np.abs(expected), initial=0.0)))
        if not gap <= GAP:
            raise _refused(final, f"for {which} the file's predictions differ from its own by up to {gap:.4g} of the largest.")


def _refused(final: Any, why: str) -> DataError:
    return DataError(
        f"{type(final).__name__} cannot be exported to ONNX: {why}",
        safe=SAFE,
        hint="fit another estimator, or export it by other means; docs/inputs.md lists those that are known to work.",
    )
