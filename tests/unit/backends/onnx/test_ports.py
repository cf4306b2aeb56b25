"""What a file takes and gives: one tensor or columns, one output or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from include.backends.onnx.model import check_model, open_model
from include.core.errors import DataError
from include.core.spec import Feature
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder, Input

FLOAT, INT64, BOOL, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING
Shape = Sequence[object]


def written(
    path: Path, nodes: Sequence[object], takes: Mapping[str, tuple[int, Shape]], gives: Mapping[str, tuple[int, Shape]]
) -> Path:
    ports = [[helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in some.items()] for some in (takes, gives)]
    graph = helper.make_graph(nodes, "g", *ports)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def columns_model(path: Path) -> Path:
    """price + 10 * (colour is red) + 100 * (returned) + the sum of a vector + 1000 * seats."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["colour"],
            ["red"],
            domain="ai.onnx.ml",
            keys_strings=["red"],
            values_floats=[10.0],
            default_float=0.0,
        ),
        helper.make_node("Reshape", ["red", "flat"], ["red_n"]),
        helper.make_node("Cast", ["returned"], ["truth"], to=FLOAT),
        helper.make_node("Mul", ["truth", "hundred"], ["truth_100"]),
        helper.make_node("ReduceSum", ["embedding", "axis"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["seats"], ["seats_float"], to=FLOAT),
        helper.make_node("Mul", ["seats_float", "thousand"], ["seats_1000"]),
        helper.make_node("Sum", ["price", "red_n", "truth_100", "sum", "seats_1000"], ["value"]),
    ]
    takes = {
        "price": (FLOAT, ["n"]), "colour": (STRING, ["n", 1]), "returned": (BOOL, ["n"]), "embedding": (FLOAT, ["n", 2]),
        "seats": (INT64, ["n"]),
    }  # fmt: skip
    written(path, nodes, takes, {"value": (FLOAT, ["n"])})
    model = onnx.load(path)
    for name, kind, shape, values in (
        ("flat", INT64, [1], [-1]), ("axis", INT64, [1], [1]), ("hundred", FLOAT, [], [100.0]), ("thousand", FLOAT, [], [1000.0]),
    ):  # fmt: skip
        model.graph.initializer.append(helper.make_tensor(name, kind, shape, values))
    onnx.save(model, path)
    return path


ENCODER = Encoder(
    (
        Input("price", "float"),
        Input("colour", "category", None, ("blue", "red")),
        Input("returned", "bool", False),
        Input("embedding", "vector[2]"),
        Input("seats", "int", 0),
        Input("note", "text"),  # a model need not read every input
    ),
    "late",
    "columns",
)


def test_a_model_of_columns_scores_rows_by_their_names(tmp_path: Path) -> None:
    path = columns_model(tmp_path / "m.onnx")
    check_model(path, ENCODER, ("value",))
    opened = open_model(path)
    assert (opened.named, opened.inputs) == (True, 5)
    row = {"price": 1.0, "colour": "red", "returned": True, "embedding": [0.25, 0.5], "seats": 2, "note": "hello"}
    nothing = {**row, "colour": None, "returned": None, "seats": None}
    assert opened.score(ENCODER.encode_rows([row, nothing])).tolist() == [2111.75, 1.75]


def test_columns_of_another_type_or_length_are_refused(tmp_path: Path) -> None:
    opened = open_model(columns_model(tmp_path / "m.onnx"))
    rows = ENCODER.encode_rows([{"embedding": [1, 2]}])
    assert isinstance(rows, Columns)
    wrong = {
        "colour": (np.zeros(1, np.float32), "takes 'colour' as object"),
        "embedding": (np.zeros((1, 3), np.float32), r"takes 'embedding' as \[n, 2\]"),
        "seats": (np.array([np.nan], np.float32), "no missing value"),
    }
    for name, (array, message) in wrong.items():
        with pytest.raises(DataError, match=message):
            opened.score(Columns({**dict(rows.items()), name: array}))
    with pytest.raises(DataError, match="reads a column 'price'"):
        opened.score(Columns({"colour": rows["colour"]}))
    with pytest.raises(DataError, match="takes columns, not one tensor"):
        opened.score(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": "category"}, "it takes float32, and the spec says category"),
        ({"colour": "float"}, "it takes object, and the spec says float"),
        ({"embedding": "vector[3]"}, "it takes 2 numbers a row, and the spec says vector"),
        ({"seats": "float"}, "behind the point would be cut off"),
        ({"returned": "int"}, "it takes truths, and the spec says int"),
        ({"price": ""}, "there is no such input"),
    ],
)
def test_a_model_whose_columns_are_not_the_specs_is_refused(tmp_path: Path, change: dict[str, str], message: str) -> None:
    inputs = tuple(
        Input(each.name, change.get(each.name, each.dtype), 0 if change.get(each.name) in ("int", "float") else each.default)
        for each in ENCODER.inputs
        if change.get(each.name, each.dtype)
    )
    with pytest.raises(DataError, match=message):
        check_model(columns_model(tmp_path / "m.onnx"), Encoder(inputs, "late", "columns"), ("value",))


def test_whole_numbers_and_truths_need_a_default(tmp_path: Path) -> None:
    inputs = tuple(Input(each.name, each.dtype) for each in ENCODER.inputs)
    with pytest.raises(DataError, match="has no missing value, and the spec gives no default"):
        check_model(columns_model(tmp_path / "m.onnx"), Encoder(inputs, "late", "columns"), ("value",))


def test_the_form_of_the_file_and_of_the_signature_must_agree(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes columns, and the signature says one tensor"):
        check_model(columns_model(tmp_path / "m.onnx"), 5, ("value",))
    node = helper.make_node("ReduceMean", ["features"], ["value"], axes=[1], keepdims=0)
    one = written(tmp_path / "one.onnx", [node], {"features": (FLOAT, ["n", 6])}, {"value": (FLOAT, ["n"])})
    with pytest.raises(DataError, match="takes one tensor 'features', and the signature says a column an input"):
        check_model(one, ENCODER, ("value",))


def wide(path: Path) -> Path:
    return written(
        path, [helper.make_node("Softmax", ["features"], ["probabilities"], axis=1)],
        {"features": (FLOAT, ["n", 3])}, {"probabilities": (FLOAT, ["n", 3])},
    )  # fmt: skip


def several(path: Path, names: Sequence[str] = ("value", "low", "high")) -> Path:
    nodes = [helper.make_node(kind, ["features"], [name], axes=[1], keepdims=0)
             for kind, name in zip(("ReduceMean", "ReduceMin", "ReduceMax"), names, strict=True)]  # fmt: skip
    return written(path, nodes, {"features": (FLOAT, ["n", 3])}, {name: (FLOAT, ["n"]) for name in names})


def test_several_outputs_are_columns_of_the_scores_in_the_problems_order(tmp_path: Path) -> None:
    rows = np.array([[1, 2, 6]], np.float32)
    check_model(wide(tmp_path / "wide.onnx"), 3, ("bad", "fair", "good"))
    assert open_model(tmp_path / "wide.onnx").score(rows).sum() == pytest.approx(1)
    check_model(several(tmp_path / "many.onnx"), 3, ("value", "low", "high"))
    assert open_model(tmp_path / "many.onnx").score(rows).tolist() == [[3.0, 1.0, 6.0]]


def test_outputs_of_another_number_or_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gives 3 numbers a row; the problem has 1: score"):
        check_model(wide(tmp_path / "m.onnx"), 3)
    with pytest.raises(DataError, match=r"must name its outputs .* in this order: value, low, high"):
        check_model(several(tmp_path / "m.onnx", ("value", "high", "low")), 3, ("value", "low", "high"))


def test_an_encoder_fitted_on_features_of_every_type_keeps_its_form() -> None:
    import pyarrow as pa

    table = pa.table({"text": ["a", None], "vector": [[1.0, 2.0], None], "truth": [True, None]})
    features = (
        Feature(name="text", dtype="text"),
        Feature(name="vector", dtype="vector[2]"),
        Feature(name="truth", dtype="bool"),
    )
    encoder = Encoder.fit(table, features, "y", "columns")
    assert Encoder.from_json(encoder.to_json()) == encoder
