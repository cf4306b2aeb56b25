"""A model file made by a stranger: it reads no file, runs nothing, and costs no more than is stated.

Each hostile file refers to a canary beside it and in the process's own folder; whoever loads it must refuse before the
canary was opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from include.backends.mlflow.model import write_model
from include.backends.onnx import file as onnx_file
from include.backends.onnx import model as onnx_model
from include.backends.onnx.file import read_model
from include.backends.onnx.model import check_model, open_model, quantize
from include.backends.onnx.wire import SCHEMA
from include.core.errors import DataError, IntegrityError
from include.scoring.scorer import Scorer
from tests.security.onnx_graphs import (
    AXIS,
    CANARY,
    YES,
    branch,
    calling,
    constant,
    function,
    harmless,
    loop,
    merged,
    model,
    outside,
    port,
    product,
    sparse,
    with_default,
    with_sparse,
    with_training,
    written,
)

pytestmark = pytest.mark.usefixtures("canary")

ELSEWHERE: dict[str, Callable[[], onnx.ModelProto]] = {
    "initializer": lambda: model(product(), (outside(),)),
    "initializer that nothing uses": lambda: model([helper.make_node("Identity", ["features"], ["m"])], (outside(),)),
    "constant": lambda: model(product(constant(value=outside()))),
    "sparse constant, values": lambda: model(product(constant(sparse_value=sparse(values=outside())))),
    "sparse constant, indices": lambda: model(product(constant(sparse_value=sparse(indices=outside())))),
    "list of tensors": lambda: model(product(helper.make_node("Identity", ["features"], ["w"], more=[AXIS, outside()]))),
    "sub-graph of If": lambda: model(product(branch()), (YES,)),
    "sub-graph at depth 9": lambda: model(product(branch(9)), (YES,)),
    "sub-graph of Loop": lambda: model(product(loop("Loop"))),
    "sub-graph of Scan": lambda: model(product(loop("Scan"))),
    "local function": lambda: calling(function(constant(value=outside()))),
    "sub-graph in a local function": lambda: calling(function(branch())),
    "default of a local function": with_default,
    "sparse initializer, values": lambda: with_sparse(values=outside()),
    "sparse initializer, indices": lambda: with_sparse(indices=outside()),
    "training, initialization": lambda: with_training("initialization"),
    "training, algorithm": lambda: with_training("algorithm"),
}
PLACES = ["./" + CANARY, "../" + CANARY, "/etc/hostname", "", "*/_ORT_MEM_ADDR_/*"]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_tensor_in_another_file_is_refused_wherever_the_graph_has_it(tmp_path: Path, where: str) -> None:
    path = written(ELSEWHERE[where](), tmp_path / "model.onnx")
    with pytest.raises(DataError, match="outside of the file") as refused:
        open_model(path)
    assert "Next: export" in str(refused.value)


@pytest.mark.parametrize("location", PLACES)
def test_a_tensor_in_another_place_is_refused_whatever_the_place(tmp_path: Path, location: str) -> None:
    graph = helper.make_graph([constant(value=outside(location=location))], "b", [], [port("w", [1, 4])])
    node = helper.make_node("If", ["yes"], ["w"], then_branch=graph, else_branch=graph)
    with pytest.raises(DataError, match="outside of the file"):
        open_model(written(model(product(node), (YES,)), tmp_path / "model.onnx"))


@pytest.mark.parametrize("kept", ["data_location", "external_data"])
def test_half_a_reference_to_another_file_is_refused_too(tmp_path: Path, kept: str) -> None:
    tensor = outside()
    tensor.ClearField("external_data" if kept == "data_location" else "data_location")
    with pytest.raises(DataError, match="outside of the file"):
        open_model(written(model(product(), (tensor,)), tmp_path / "model.onnx"))


def _score(path: Path) -> object:
    return Scorer(path.read_bytes(), b"{}", 1)._model


def _package(path: Path) -> None:
    write_model(None, {"model.onnx": path}, path.parent / "made")  # type: ignore[arg-type]


LOADERS: dict[str, Callable[[Path], object]] = {
    "gateway, evaluation, monitoring": open_model,
    "training's check": lambda path: check_model(path, 4),
    "quantisation": lambda path: quantize(path, path.parent / "small.onnx"),
    "scoring": _score,
    "registration": _package,
}


@pytest.mark.parametrize("loader", LOADERS)
def test_every_way_to_load_a_model_refuses_it_first(tmp_path: Path, loader: str) -> None:
    path = written(model(product(branch()), (YES,)), tmp_path / "model.onnx")
    with pytest.raises(DataError, match="outside of the file"):
        LOADERS[loader](path)


def test_no_file_is_read_even_if_a_reference_slips_past_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "walk", lambda data: None)
    path = written(model(product(branch()), (YES,)), tmp_path / "model.onnx")
    with pytest.raises(IntegrityError, match="can load"):
        open_model(path)


def test_a_second_graph_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="given twice"):
        open_model(written(merged(), tmp_path / "model.onnx"))


@pytest.mark.parametrize(
    ("domain", "name"),
    [("evil", "Read"), ("com.microsoft", "EPContext"), ("ai.onnx.contrib", "PyOp"), ("com.microsoft.extensions", "X")],
)
def test_an_operator_of_a_strangers_domain_is_refused(tmp_path: Path, domain: str, name: str) -> None:
    node = helper.make_node(name, ["features"], ["m"], domain=domain)
    with pytest.raises(DataError, match=f"{domain}::{name}"):
        open_model(written(model([node]), tmp_path / "model.onnx"))


@pytest.mark.parametrize("domain", ["", "ai.onnx.ml", "com.microsoft"])
def test_a_function_that_takes_the_place_of_a_standard_operator_is_refused(tmp_path: Path, domain: str) -> None:
    made = function(helper.make_node("Identity", ["x"], ["w"]))
    made.domain = domain
    node = helper.make_node("f", ["features"], ["m"], domain=domain)
    with pytest.raises(DataError, match="standard anew"):
        open_model(written(model([node], functions=[made]), tmp_path / "model.onnx"))


def test_local_functions_of_its_own_and_what_quantisation_writes_are_let_through(tmp_path: Path) -> None:
    made = function(helper.make_node("Identity", ["x"], ["w"]))
    node = helper.make_node("f", ["features"], ["m"], domain="mine")
    opened = open_model(written(model([node], functions=[made]), tmp_path / "model.onnx"))
    assert opened.score(np.ones((2, 4), np.float32)).tolist() == [4.0, 4.0]
    weights = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    full = written(model([helper.make_node("MatMul", ["features", "w"], ["m"])], (weights,)), tmp_path / "full.onnx")
    quantize(full, tmp_path / "small.onnx")
    assert open_model(tmp_path / "small.onnx").inputs == 4


def test_the_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="own format"):
        open_model(written(b"\x08\x00\x00\x00ORTM" + bytes(100), tmp_path / "model.onnx"))


def test_the_runtime_is_reported_the_format_and_a_folder_that_holds_nothing(tmp_path: Path) -> None:
    path = written(harmless(), tmp_path / "model.onnx")
    options = open_model(path)._session.get_session_options()
    assert options.get_session_config_entry(onnx_model.FORMAT) == "ONNX"
    assert Path(options.get_session_config_entry(onnx_model.FOLDER)).is_file()


def test_a_forest_of_many_nodes_is_let_through(tmp_path: Path) -> None:
    many = 200_000
    made = harmless()
    node = made.graph.node.add(op_type="Identity", input=["features"], output=["unused"])
    node.attribute.append(helper.make_attribute("ints", list(range(many))))
    node.attribute.append(helper.make_attribute("floats", [0.5] * many))
    node.attribute.append(helper.make_attribute("strings", ["BRANCH_LEQ", "LEAF", ""] * (many // 3)))
    path = written(made, tmp_path / "model.onnx")
    assert read_model(path) == path.read_bytes()


def test_the_table_of_the_format_is_that_of_the_installed_onnx() -> None:
    from google.protobuf.descriptor import FieldDescriptor

    kinds = dict.fromkeys((3, 4, 5, 13, 14), "varint") | {1: "fixed64", 2: "fixed32", 9: "bytes", 12: "bytes"}
    met: dict[str, str] = {}

    def compare(ours: str, theirs: object) -> None:
        if met.setdefault(ours, theirs.full_name) != theirs.full_name and ours not in ("Element", "TensorType"):  # type: ignore[attr-defined]
            raise AssertionError(f"{ours} stands for two messages")
        declared = SCHEMA[ours]
        fields: list[FieldDescriptor] = list(theirs.fields)  # type: ignore[attr-defined]
        assert sorted(declared) == sorted(field.number for field in fields), ours
        for field in fields:
            mine = declared[field.number]
            assert mine.repeated == field.is_repeated, (ours, field.name)
            if field.message_type is None:
                assert mine.kind == kinds[field.type], (ours, field.name)
            elif (mine.kind, field.message_type.full_name) not in seen:
                seen.add((mine.kind, field.message_type.full_name))
                compare(mine.kind, field.message_type)

    seen: set[tuple[str, str]] = set()
    compare("Model", onnx.ModelProto.DESCRIPTOR)
    assert set(SCHEMA) == {"Model"} | {ours for ours, _ in seen}
