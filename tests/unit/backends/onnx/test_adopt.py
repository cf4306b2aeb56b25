"""ONNX files as other tools write them, and what is refused before anything is registered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from include.backends.onnx.adopt import UNSEEN, adopt, probes
from include.backends.onnx.limits import newest_format, newest_opset
from include.backends.onnx.model import open_model
from include.core.errors import DataError, IntegrityError
from include.model_contract.encoder import Encoder, Input

HEAT, SIZE = Input("heat", "float"), Input("size", "float", 1.0)
COLOUR = Input("colour", "category", None, ("blue", "green", "red"))
TWO, MIXED = Encoder((HEAT, SIZE), "late"), Encoder((COLOUR, HEAT, SIZE), "late")
FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING


def port(name: str, shape: Sequence[object] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    opset: int = 13,
    ir: int = 8,
) -> Path:
    graph = helper.make_graph(list(nodes), "foreign", list(inputs), list(outputs))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir), path)
    return path


def mean(
    folder: Path, source: str = "X", target: str = "Y", *, keep: int = 0, shape: Sequence[object] = ("n", 2), **kinds: int
) -> Path:
    """The sigmoid of the row's mean."""
    kind = kinds.pop("kind", FLOAT)
    nodes = [
        helper.make_node("ReduceMean", [source], ["m"], axes=[1], keepdims=keep),
        helper.make_node("IsNaN", ["m"], ["hole"]),
        helper.make_node("Where", ["hole", "nought", "m"], ["whole"]),
        helper.make_node("Sigmoid", ["whole"], [target]),
    ]
    nought = helper.make_node("Constant", [], ["nought"], value=helper.make_tensor("v", kind, [], [0.0]))
    out = port(target, ["n", 1] if keep else ["n"], kind)
    return save(folder, [nought, *nodes], [port(source, shape, kind)], [out], **kinds)


ROWS = np.array([[1.0, 3.0], [-4.0, 2.0], [0.5, 0.5]], dtype=np.float32)


@pytest.mark.parametrize("how", [{}, {"keep": 1}, {"kind": DOUBLE}, {"source": "score", "target": "features"}])
def test_one_tensor_of_any_name_type_and_rank_serves_as_features_and_score(tmp_path: Path, how: dict[str, Any]) -> None:
    adopt(mean(tmp_path, **how), TWO, tmp_path / "m.onnx")
    model = open_model(tmp_path / "m.onnx")
    assert model.score(ROWS) == pytest.approx(1 / (1 + np.exp(-ROWS.mean(axis=1))), abs=1e-6)


def test_a_file_with_our_own_ports_stays_byte_for_byte(tmp_path: Path) -> None:
    path = mean(tmp_path, "features", "score")
    adopt(path, TWO, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == path.read_bytes()


def test_the_same_file_makes_the_same_bytes(tmp_path: Path) -> None:
    path = mean(tmp_path)
    adopt(path, TWO, tmp_path / "a.onnx")
    adopt(path, TWO, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_names_within_a_branch_are_renamed_with_the_graph(tmp_path: Path) -> None:
    def branch(name: str, operator: str) -> onnx.GraphProto:
        nodes = [helper.make_node(operator, ["score"], [f"{name}_made"])]  # `score` is a tensor of the graph outside
        return helper.make_graph(nodes, name, [], [port(f"{name}_made", ["n"])])

    nodes = [
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("v", TensorProto.BOOL, [], [True])),
        helper.make_node("ReduceMean", ["X"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("IsNaN", ["mean"], ["hole"]),
        helper.make_node("Constant", [], ["nought"], value=helper.make_tensor("w", FLOAT, [], [0.0])),
        helper.make_node("Where", ["hole", "nought", "mean"], ["score"]),
        helper.make_node("If", ["yes"], ["Y"], then_branch=branch("a", "Sigmoid"), else_branch=branch("b", "Neg")),
    ]
    adopt(save(tmp_path, nodes, [port("X", ["n", 2])], [port("Y", ["n"])]), TWO, tmp_path / "m.onnx")
    assert open_model(tmp_path / "m.onnx").score(ROWS) == pytest.approx(1 / (1 + np.exp(-ROWS.mean(axis=1))), abs=1e-6)


@cache
def pipeline() -> tuple[Any, Any]:
    """A scikit-learn pipeline over columns by name, and the frame it was fitted on."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"heat": rng.normal(size=300), "colour": rng.choice(["blue", "green", "red"], 300)})
    frame["size"] = rng.normal(size=300)
    label = (frame["heat"] + (frame["colour"] == "red") + rng.normal(size=300) > 0.5).astype(int)
    columns = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("number", SimpleImputer(), ["heat", "size"])]
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame, label), frame


def exported(folder: Path, **options: Any) -> Path:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    model, _ = pipeline()
    kinds = [("heat", FloatTensorType([None, 1])), ("colour", StringTensorType([None, 1])), ("size", FloatTensorType([None, 1]))]
    path = folder / "pipeline.onnx"
    path.write_bytes(to_onnx(model, initial_types=kinds, target_opset=17, **options).SerializeToString())
    return path


@pytest.mark.parametrize("zipmap", [True, False])
def test_columns_of_text_and_numbers_score_as_the_pipeline_does(tmp_path: Path, zipmap: bool) -> None:
    model, frame = pipeline()
    adopt(exported(tmp_path, options={"zipmap": zipmap}), MIXED, tmp_path / "m.onnx")
    opened = open_model(tmp_path / "m.onnx")
    rows = frame.to_dict("records")
    assert opened.score(MIXED.encode_rows(rows)) == pytest.approx(model.predict_proba(frame)[:, 1], abs=1e-5)
    unknown = {"heat": None, "colour": "violet", "size": 0.5}
    known = model.predict_proba(frame.head(1).assign(heat=np.nan, colour="violet", size=0.5))[:, 1]
    assert opened.score(np.array([MIXED.encode_row(unknown)], dtype=np.float32)) == pytest.approx(known, abs=1e-5)


def test_a_category_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    bare = Encoder((Input("colour", "category"), HEAT, SIZE), "late")
    with pytest.raises(DataError, match=r"takes \['colour'\] as text, and nobody has said which values"):
        adopt(exported(tmp_path), bare, tmp_path / "m.onnx")
    codes = Encoder((Input("colour", "category"), HEAT), "late")
    with pytest.raises(DataError, match=r"takes \['colour'\] as codes"):
        adopt(mean(tmp_path), codes, tmp_path / "m.onnx")


def test_both_classes_without_a_label_give_the_positive_one(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("IsNaN", ["X"], ["hole"]),
        helper.make_node("Constant", [], ["nought"], value=helper.make_tensor("v", FLOAT, [], [0.0])),
        helper.make_node("Where", ["hole", "nought", "X"], ["whole"]),
        helper.make_node("Softmax", ["whole"], ["Y"], axis=1),
    ]
    adopt(save(tmp_path, nodes, [port("X", ["n", 2])], [port("Y", ["n", 2])]), TWO, tmp_path / "m.onnx")
    assert open_model(tmp_path / "m.onnx").score(ROWS[:1]) == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_a_width_that_is_not_the_specs_says_what_was_expected_and_seen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one tensor \[n, 2\] of the columns heat \(float\), size \(float\)") as refused:
        adopt(mean(tmp_path, shape=("n", 3)), TWO, tmp_path / "m.onnx")
    assert "X: float ['n', 3]" in str(refused.value)
    assert not (tmp_path / "m.onnx").exists()


def test_columns_of_other_names_are_refused(tmp_path: Path) -> None:
    other = Encoder((COLOUR, HEAT, Input("weight", "float")), "late")
    with pytest.raises(DataError, match="weight"):
        adopt(exported(tmp_path), other, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (("n", "k"), r"dynamic axes beyond the rows: \['k'\]"),
        (("n", None), "dynamic axes beyond the rows"),
        ((1, 2), "fixed number of rows"),
    ],
)
def test_axes_beyond_the_rows_must_be_numbers_and_the_rows_must_be_free(
    tmp_path: Path, shape: tuple[object, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words) as refused:
        adopt(mean(tmp_path, shape=shape), TWO, tmp_path / "m.onnx")
    assert "nothing was registered" in str(refused.value)


def test_an_input_without_a_shape_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, [helper.make_node("Identity", ["X"], ["Y"])], [port("X", None)], [port("Y", None)])
    with pytest.raises(DataError, match="does not say the shape"):
        adopt(path, TWO, tmp_path / "m.onnx")


def test_the_newest_the_runtime_reads_is_taken_and_one_more_is_refused(tmp_path: Path) -> None:
    clip = [
        helper.make_node("Constant", [], ["place"], value=helper.make_tensor("p", INT64, [], [1])),
        helper.make_node("Gather", ["X", "place"], ["one"], axis=1),
        helper.make_node("Sigmoid", ["one"], ["Y"]),
    ]
    ports: tuple[Any, Any] = [port("X", ["n", 2])], [port("Y", ["n"])]
    newest, ir = newest_opset(""), newest_format()
    assert newest >= 17
    assert ir >= 8
    adopt(save(tmp_path, clip, *ports, opset=newest, ir=ir), TWO, tmp_path / "m.onnx")
    with pytest.raises(DataError, match=f"asks for opset {newest + 1} of the ONNX standard.*opsets up to {newest}"):
        adopt(save(tmp_path, clip, *ports, opset=newest + 1), TWO, tmp_path / "n.onnx")
    with pytest.raises(DataError, match=f"version {ir + 1} of the ONNX format.*up to {ir}") as refused:
        adopt(save(tmp_path, clip, *ports, ir=ir + 1), TWO, tmp_path / "n.onnx")
    assert onnxruntime.__version__ in str(refused.value)


def test_an_unknown_opset_of_trees_is_refused(tmp_path: Path) -> None:
    proto = onnx.load(mean(tmp_path))
    proto.opset_import[1].version = 99
    onnx.save(proto, tmp_path / "foreign.onnx")
    with pytest.raises(DataError, match=r"opset 99 of ai\.onnx\.ml"):
        adopt(tmp_path / "foreign.onnx", TWO, tmp_path / "m.onnx")


def test_tensors_in_another_file_and_pickles_are_refused(tmp_path: Path) -> None:
    proto = onnx.load(mean(tmp_path))
    proto.graph.initializer.append(
        TensorProto(name="w", data_type=FLOAT, dims=[400], raw_data=b"\0" * 1600)  # onnx moves what is large enough
    )
    path = tmp_path / "outside.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(DataError, match="keeps a tensor outside of the file"):
        adopt(path, TWO, tmp_path / "m.onnx")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(IntegrityError, match="a pickle"):
        adopt(tmp_path / "model.pkl", TWO, tmp_path / "m.onnx")


def test_what_is_no_probability_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["X"], ["Y"], keepdims=0, axes=[1])]
    path = save(tmp_path, nodes, [port("X", ["n", 2])], [port("Y", ["n"])], opset=11)
    with pytest.raises(DataError, match="no probability for a row of which nothing is known"):
        adopt(path, TWO, tmp_path / "m.onnx")
    with pytest.raises(DataError, match="no probability"):
        adopt(path, Encoder((Input("heat", "float", 0.0), SIZE), "late"), tmp_path / "m.onnx")


def test_two_outputs_that_may_be_the_probability_are_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["X"], [name], axes=[1], keepdims=0) for name in ("a", "b")]
    path = save(tmp_path, nodes, [port("X", ["n", 2])], [port("a", ["n"]), port("b", ["n"])])
    with pytest.raises(DataError, match="not clear which output"):
        adopt(path, TWO, tmp_path / "m.onnx")


def test_classes_other_than_0_and_1_are_refused(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    model = LogisticRegression().fit(rows, np.where(rows[:, 0] > 0, "no", "yes"))
    path = tmp_path / "m.onnx"
    path.write_bytes(to_onnx(model, rows[:1], target_opset=17, options={"zipmap": False}).SerializeToString())
    encoder = Encoder((Input("heat", "float", 0.0), SIZE), "late")
    with pytest.raises(DataError, match=r"classes of m\.onnx are not 0 and 1"):
        adopt(path, encoder, tmp_path / "n.onnx")


@pytest.mark.parametrize(
    ("kind", "each", "words"),
    [
        (INT64, HEAT, "takes whole numbers, and the spec says float"),
        (INT64, Input("heat", "int"), "no default"),
        (STRING, HEAT, "takes text"),
        (TensorProto.BOOL, HEAT, "numbers or text"),
    ],
)
def test_a_column_of_another_type_is_refused(tmp_path: Path, kind: int, each: Input, words: str) -> None:
    nodes = [helper.make_node("Cast", ["size"], ["Y"], to=FLOAT)]
    path = save(tmp_path, nodes, [port("heat", ["n"], kind), port("size", ["n"])], [port("Y", ["n"])])
    with pytest.raises(DataError, match=words):
        adopt(path, Encoder((each, SIZE), "late"), tmp_path / "m.onnx")


def test_whole_numbers_with_a_default_are_taken(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["count"], ["number"], to=FLOAT),
        helper.make_node("Sigmoid", ["number"], ["Y"]),
    ]
    path = save(tmp_path, nodes, [port("count", ["n"], INT64)], [port("Y", ["n"])])
    adopt(path, Encoder((Input("count", "int", 2.0),), "late"), tmp_path / "m.onnx")
    scores = open_model(tmp_path / "m.onnx").score(np.array([[3.0]], dtype=np.float32))
    assert scores == pytest.approx(1 / (1 + np.exp(-3.0)))


def test_probes_meet_every_code_and_a_row_of_nothing() -> None:
    rows = probes(MIXED)
    assert set(rows[:, 0]) == {0.0, 1.0, 2.0, 3.0}
    assert np.isnan(rows[0, 1])
    assert rows[0, 2] == 1.0
    assert UNSEEN not in COLOUR.categories
