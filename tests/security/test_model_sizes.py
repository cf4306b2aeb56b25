"""A small model file that would cost much, or bytes that are no model: refused, by name, before they are read into anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from include.backends.onnx import file as onnx_file
from include.backends.onnx import walk as onnx_walk
from include.backends.onnx.model import open_model
from include.core.errors import DataError, IntegrityError
from tests.security.onnx_graphs import YES, branch, function, harmless, model, product, with_sparse, written

pytestmark = pytest.mark.usefixtures("canary")


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
