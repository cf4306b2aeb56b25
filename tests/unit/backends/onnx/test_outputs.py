"""Foreign files of other problems: their outputs become the problem's, in its order, or they are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from include.backends.onnx.adopt import adopt
from include.backends.onnx.model import open_model
from include.core.errors import DataError
from include.core.spec import AnyKind, MultiClass, Ranking, Regression
from include.model_contract.encoder import Encoder, Input
from include.problems.of import problem_of

ENCODER = Encoder((Input("heat", "float", 0.0), Input("size", "float", 1.0)), "late")
ROWS = np.array([[1.0, 2.0], [-3.0, 0.5]], dtype=np.float32)
NUMBER, INTERVAL = Regression(scale=1.0), Regression(scale=1.0, interval=0.8)
CLASSES, ORDER = MultiClass(classes=("a", "b", "c")), Ranking(query="q", item="i")


def foreign(folder: Path, width: int, output: str, *, source: str = "X", softmax: bool = False, flat: bool = False) -> Path:
    """A linear model whose columns are the row's sum times 1, 2, 3 ...; of classes their softmax."""
    weights = np.tile(np.arange(1, width + 1, dtype=np.float32), (2, 1))
    last = "logits" if softmax or flat else output
    nodes = [helper.make_node("MatMul", [source, "w"], [last])]
    if softmax:
        nodes.append(helper.make_node("Softmax", [last], [output], axis=1))
    if flat:
        nodes.append(helper.make_node("Squeeze", [last, "axes"], [output]))
    constants = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([1]), "axes")]
    shape: list[str | int] = ["n"] if flat else ["n", width]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name, axes in ((source, ["n", 2]), (output, shape))]
    graph = helper.make_graph(nodes, "foreign", ports[:1], ports[1:], constants)
    path = folder / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def adopted(path: Path, value: AnyKind) -> np.ndarray:
    target = path.with_name("served.onnx")
    adopt(path, ENCODER, target, problem_of(value))
    model = open_model(target)
    return model.score(ROWS)


@pytest.mark.parametrize("value", [NUMBER, ORDER])
def test_a_column_of_numbers_becomes_the_one_output_by_its_name(value: AnyKind, tmp_path: Path) -> None:
    assert adopted(foreign(tmp_path, 1, "variable"), value) == pytest.approx([3.0, -2.5])
    served = onnx.load(tmp_path / "served.onnx")
    assert [port.name for port in served.graph.output] == list(problem_of(value).outputs)


def test_a_file_with_our_own_ports_stays_as_it_is(tmp_path: Path) -> None:
    path = foreign(tmp_path, 1, "value", source="features", flat=True)
    assert adopted(path, NUMBER) == pytest.approx([3.0, -2.5])
    assert (tmp_path / "served.onnx").read_bytes() == path.read_bytes()


def test_a_probability_a_class_is_read_in_the_problems_order(tmp_path: Path) -> None:
    found = adopted(foreign(tmp_path, 3, "probabilities", softmax=True), CLASSES)
    assert found.shape == (2, 3)
    assert found.argmax(axis=1).tolist() == [2, 0]
    assert found.sum(axis=1) == pytest.approx([1, 1])


def classifier(folder: Path, classes: list[str]) -> Path:
    """A linear classifier that names its classes, as converters of scikit-learn write it."""
    node = helper.make_node(
        "LinearClassifier", ["X"], ["label", "probabilities"], domain="ai.onnx.ml", coefficients=[1.0, 1, 2, 2, 3, 3],
        intercepts=[0.0, 0, 0], classlabels_strings=classes, multi_class=0, post_transform="SOFTMAX",
    )  # fmt: skip
    ports = [
        helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n", 2]),
        helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3]),
    ]
    graph = helper.make_graph([node], "classifier", ports[:1], ports[1:])
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_classes_in_another_order_are_put_in_the_problems(tmp_path: Path) -> None:
    found = adopted(classifier(tmp_path, ["c", "a", "b"]), CLASSES)
    assert found.argmax(axis=1).tolist() == [1, 2]  # the likeliest are the file's third and first


def test_an_interval_that_crosses_its_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not fit a Regression: .* outside their own interval"):
        adopted(foreign(tmp_path, 3, "outputs"), INTERVAL)


@pytest.mark.parametrize(
    ("make", "value", "said"),
    [
        (lambda folder: foreign(folder, 2, "Y"), NUMBER, r"asks for \(value\): one float \[n\] or \[n, 1\]"),
        (lambda folder: foreign(folder, 1, "Y"), CLASSES, r"\[n, 3\], or 3 outputs \[n\] by name"),
        (lambda folder: foreign(folder, 3, "Y"), CLASSES, "does not fit a MultiClass: .*where probabilities are needed"),
        (lambda folder: classifier(folder, ["a", "b", "d"]), CLASSES, "not those of the spec's problem"),
    ],
)
def test_outputs_of_another_shape_are_refused_in_words(make: object, value: AnyKind, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        adopted(make(tmp_path), value)  # type: ignore[operator]
