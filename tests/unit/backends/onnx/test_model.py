from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from include.backends.onnx.model import check_model, open_model
from include.core.errors import DataError, IntegrityError


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.path, "boom")


def model(
    path: Path,
    source: str = "features",
    target: str = "score",
    shape: tuple[object, ...] = ("n", 3),
    rank: int = 1,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """The mean of a row, as ONNX."""
    out = ["n"] if rank == 1 else ["n", 1]
    node = helper.make_node("ReduceMean", [source], [target], axes=[1], keepdims=rank - 1)
    ports = helper.make_tensor_value_info(source, kind, shape), helper.make_tensor_value_info(target, kind, out)
    graph = helper.make_graph([node], "mean", [ports[0]], [ports[1]])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_rows_in_scores_out(tmp_path: Path) -> None:
    opened = open_model(model(tmp_path / "m.onnx"))
    assert opened.inputs == 3
    scores = opened.score(np.array([[0, 1, 2], [3, 3, 3]], dtype=np.float32))
    assert scores.dtype == np.float32
    assert scores.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_refused_and_never_opened(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "boom"), protocol))
    with pytest.raises(IntegrityError, match="not ONNX"):
        open_model(path)
    assert not (tmp_path / "boom").exists()


def test_a_torch_archive_is_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "m.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x")
    with pytest.raises(IntegrityError, match="zip archive"):
        open_model(path)


@pytest.mark.parametrize("keep", [0, 1, 60])
def test_a_torn_file_is_refused_with_its_size(tmp_path: Path, keep: int) -> None:
    path = model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IntegrityError, match=r"m\.onnx"):
        open_model(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (1, 3)},
        {"shape": ("n", "k")},
        {"rank": 2},
        {"kind": TensorProto.DOUBLE},
    ],
)
def test_other_inputs_or_outputs_are_refused_with_what_was_found(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match="Seen"):
        open_model(model(tmp_path / "m.onnx", **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"source": "x"}, {"target": "probability"}])
def test_other_names_are_refused_before_a_model_may_serve(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(DataError, match="Seen"):
        check_model(model(tmp_path / "m.onnx", **wrong), 3)  # type: ignore[arg-type]


def test_a_row_of_another_length_is_refused(tmp_path: Path) -> None:
    opened = open_model(model(tmp_path / "m.onnx"))
    with pytest.raises(DataError, match="rows of 3 features"):
        opened.score(np.zeros((1, 4), np.float32))
    with pytest.raises(DataError, match="4"):
        check_model(tmp_path / "m.onnx", 4)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3], np.ones(3, np.float32).tobytes(), raw=True)
    source = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3])
    target = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    node = helper.make_node("MatMul", ["features", "w"], ["score"])
    graph = helper.make_graph([node], "g", [source], [target], [weight])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises((DataError, IntegrityError), match=r"m\.onnx"):
        check_model(path, 3)
