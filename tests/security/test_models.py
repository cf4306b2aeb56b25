"""A model file made by a stranger: it reads no file, runs nothing, and costs no more than is stated.

Each hostile file refers to a canary beside it and in the process's own folder; whoever loads it must refuse before the
canary was opened.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from include.backends.mlflow.model import write_model
from include.backends.onnx import file as onnx_file
from include.backends.onnx import model as onnx_model
from include.backends.onnx import walk as onnx_walk
from include.backends.onnx.file import read_model
from include.backends.onnx.model import check_model, open_model, quantize
from include.backends.onnx.wire import SCHEMA
from include.core.errors import DataError, IntegrityError
from include.scoring.scorer import Scorer

CANARY = "canary.bin"
AXIS = numpy_helper.from_array(np.array([1]), "axis")
IN_OPEN = 0x20  # of inotify: sees whoever opens the file, the runtime's own code too


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / CANARY
    np.arange(4, dtype=np.float32).tofile(path)
    monkeypatch.chdir(tmp_path)
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN) >= 0
    yield path
    with pytest.raises(BlockingIOError):
        os.read(handle, 1024)
    os.close(handle)


def outside(name: str = "w", location: str = CANARY) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1, 4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def port(name: str, shape: list[object] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes: list[onnx.NodeProto], initializers: tuple[TensorProto, ...] = (), functions: object = ()) -> onnx.ModelProto:
    """`nodes` make `m` [n, 4] of `features`; the score is its sum over the axis."""
    last = helper.make_node("ReduceSum", ["m", "axis"], ["score"], keepdims=0)
    graph = helper.make_graph([*nodes, last], "g", [port("features", ["n", 4])], [port("score", ["n"])], [AXIS, *initializers])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))  # type: ignore[call-overload]


def harmless() -> onnx.ModelProto:
    return model([helper.make_node("Identity", ["features"], ["m"])])


def product(*before: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [*before, helper.make_node("Mul", ["features", "w"], ["m"])]


def constant(**value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["w"], **value)


def sparse(**tensors: TensorProto) -> onnx.SparseTensorProto:
    inside = {
        "values": helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]),
        "indices": helper.make_tensor("i", TensorProto.INT64, [1], [0]),
    }
    return onnx.SparseTensorProto(dims=[1, 4], **{**inside, **tensors})


def branch(depth: int = 1, tensor: TensorProto | None = None) -> onnx.NodeProto:
    """An If whose branches hold a constant, by default in another file, so many graphs deep."""
    graph = leaf = helper.make_graph([constant(value=tensor or outside())], "leaf", [], [port("w", [1, 4])])
    for _ in range(depth):
        node = helper.make_node("If", ["yes"], ["w"], then_branch=graph, else_branch=leaf)
        graph = helper.make_graph([node], "inner", [], [port("w", [1, 4])])
    return node


def loop(operator: str) -> onnx.NodeProto:
    body = helper.make_graph([constant(value=outside())], "body", [], [port("w", [1, 4])])
    return helper.make_node(operator, ["features"], ["w"], body=body)


def function(node: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("mine", "f", ["x"], ["w"], [node], [helper.make_opsetid("", 17)])


def calling(made: onnx.FunctionProto) -> onnx.ModelProto:
    return model(product(helper.make_node("f", ["features"], ["w"], domain="mine")), functions=[made])


def with_default() -> onnx.ModelProto:
    made = function(helper.make_node("Identity", ["x"], ["w"]))
    made.attribute_proto.append(helper.make_attribute("a", outside()))
    return calling(made)


def with_sparse(**tensors: TensorProto) -> onnx.ModelProto:
    made = model(product())
    made.graph.sparse_initializer.append(sparse(**tensors))
    return made


def with_training(field: str) -> onnx.ModelProto:
    made = harmless()
    graph = helper.make_graph([], "t", [], [], [outside()])
    getattr(made.training_info.add(), field).CopyFrom(graph)
    return made


def merged() -> bytes:
    """A second graph: a parser adds it to the first one."""
    extra = onnx.ModelProto()
    extra.graph.initializer.append(outside())
    return model(product()).SerializeToString() + extra.SerializeToString()


YES = numpy_helper.from_array(np.array(True), "yes")
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


def written(made: onnx.ModelProto | bytes, path: Path) -> Path:
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


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


def laughs(levels: int, width: int) -> onnx.ModelProto:
    """Each function calls the next one so many times."""
    made = []
    for level in range(levels):
        names = ["x", *[f"t{step}" for step in range(width - 1)], "y"]
        wide = width if level < levels - 1 else 1
        name, domain = (f"f{level + 1}", "mine") if level < levels - 1 else ("Identity", "")
        names = names if wide == width else ["x", "y"]
        nodes = [helper.make_node(name, [a], [b], domain=domain) for a, b in pairwise(names)]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
        made.append(helper.make_function("mine", f"f{level}", ["x"], ["y"], nodes, opsets))
    return model([helper.make_node("f0", ["features"], ["m"], domain="mine")], functions=made)


def circle() -> onnx.ModelProto:
    made = function(helper.make_node("f", ["x"], ["w"], domain="mine"))
    return model([helper.make_node("f", ["features"], ["m"], domain="mine")], functions=[made])


def deep_types(depth: int) -> bytes:
    """A type of a sequence of a sequence of ..., written by hand: parsers refuse to make it."""
    inner = b"\x0a\x02\x08\x01"
    for _ in range(depth):
        element = b"\x0a" + _size(inner)
        inner = b"\x22" + _size(element)
    graph = b"\x6a" + _size(b"\x12" + _size(inner))
    return b"\x08\x09" + b"\x3a" + _size(graph)


def _size(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def claimed(dims: list[int], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    return model(product(), (TensorProto(name="w", data_type=kind, dims=dims, raw_data=b"1234"),))


def spread(dims: list[int]) -> onnx.ModelProto:
    made = with_sparse()
    made.graph.sparse_initializer[0].dims[:] = dims
    return made


BOMBS: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str]] = {
    "functions that write out to 2^20 nodes": (lambda: laughs(20, 2), "nodes once its functions"),
    "functions a hundred deep": (lambda: laughs(100, 1), "deeper than"),
    "a function that calls itself": (circle, "deeper than"),
    "nodes without end": (lambda: model([helper.make_node("Identity", ["features"], ["m"])] * 20_001), "nodes"),
    "graphs in graphs": (lambda: model(product(branch(25, YES)), (YES,)), "deeper than"),
    "types in types": (lambda: deep_types(20_000), "deeper than"),
    "empty messages by the million": (
        lambda: harmless().SerializeToString() + b"\x42\x00" * onnx_walk.MESSAGES, "parts",
    ),
    "two thousand million values in four bytes": (lambda: claimed([1 << 31]), "more elements"),
    "axes that overflow": (lambda: claimed([1 << 40, 1 << 40]), "more elements"),
    "texts without end": (lambda: claimed([1 << 31], TensorProto.STRING), "more elements"),
    "a sparse tensor of 16 GiB": (lambda: spread([1 << 32]), "sparse"),
    "a sparse tensor of 1 GiB": (lambda: spread([1 << 14, 1 << 14]), "sparse"),
    "a negative axis": (lambda: claimed([-5]), "negative"),
    "a thousand axes": (lambda: claimed([1] * 1000), "axes"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_unfolds_is_refused(tmp_path: Path, bomb: str) -> None:
    make, why = BOMBS[bomb]
    with pytest.raises((DataError, IntegrityError), match=why):
        open_model(written(make(), tmp_path / "model.onnx"))


HEAD = b"\x08\x09"
TORN: dict[str, bytes] = {
    "two GiB claimed": HEAD + b"\x3a\xff\xff\xff\xff\x07" + b"x" * 10,
    "16 EiB claimed": HEAD + b"\x3a" + b"\xff" * 9 + b"\x01",
    "a number without end": HEAD + b"\x28" + b"\xff" * 30,
    "a number cut off": HEAD + b"\x28\xff",
    "a field of no format": HEAD + b"\xfa\x7f\x00",
    "field 0": HEAD + b"\x02\x00",
    "a group": HEAD + b"\x3b\x3c",
    "the wrong wire type": b"\x08\x09\x38\x01",
    "a field given twice": HEAD + HEAD,
    "a fixed number cut off": HEAD + b"\x3a" + _size(b"\x0a" + _size(b"\x2a" + _size(b"\x15\x00"))),
}


@pytest.mark.parametrize("torn", TORN)
def test_bytes_that_are_no_message_are_refused_by_name(tmp_path: Path, torn: str) -> None:
    with pytest.raises(IntegrityError, match="not a whole ONNX file"):
        open_model(written(TORN[torn], tmp_path / "model.onnx"))


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    made = harmless()
    del made.opset_import[1:]  # the last field of the file: nobody could tell that one of two is missing
    data = made.SerializeToString()
    for keep in range(len(data)):
        with pytest.raises((IntegrityError, DataError)):
            open_model(written(data[:keep], tmp_path / "model.onnx"))


def test_a_file_beyond_the_limit_is_refused_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(onnx_file.LIMIT + 1)  # a hole: it takes no room
    with pytest.raises(DataError, match="larger than a model file may be"):
        open_model(path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="no regular file"):
        open_model(path)


def test_the_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="own format"):
        open_model(written(b"\x08\x00\x00\x00ORTM" + bytes(100), tmp_path / "model.onnx"))


def test_the_runtime_is_told_the_format_and_a_folder_that_holds_nothing(tmp_path: Path) -> None:
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
