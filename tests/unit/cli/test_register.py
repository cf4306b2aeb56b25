"""`slipstream register`, with Airflow, MLflow, Ray and the gateway down: a folder is the registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.toy_ledger import MODEL, onnx_mean
from tests.unit.cli.conftest import Slipstream


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLIPSTREAM_REGISTRY", "folder")
    (tmp_path / "given.onnx").write_bytes(safe_mean(3))
    return tmp_path / "given.onnx"


def safe_mean(inputs: int) -> bytes:
    """As `onnx_mean`, and a row of which nothing is known scores a half."""
    import onnx
    from onnx import helper

    proto = onnx.load_model_from_string(onnx_mean(inputs, "elsewhere"))
    sigmoid = proto.graph.node[1]
    sigmoid.input[0] = "whole"
    nodes = [
        proto.graph.node[0],
        helper.make_node("IsNaN", ["mean"], ["hole"]),
        helper.make_node("Constant", [], ["nought"], value=helper.make_tensor("v", 1, [], [0.0])),
        helper.make_node("Where", ["hole", "nought", "mean"], ["whole"]),
        sigmoid,
    ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString())


def test_a_model_without_rows_is_registered_and_the_next_command_is_named(slipstream: Slipstream, model: Path) -> None:
    status, out, err = slipstream("register", MODEL, str(model))
    assert (status, err) == (0, "")
    assert "toy: version 3 (1.1.0) is Staging; trained elsewhere, SHA-256 " in out
    assert "nothing was evaluated: no day of toy is published" in out
    assert 'slipstream restore toy 3 --despite-gate --reason "..."' in out
    assert "imported" in slipstream("versions", MODEL)[1]
    status, out, _ = slipstream("restore", MODEL, "3", "--despite-gate", "--reason", "measured by its vendor")
    assert (status, "version 3 is a candidate again (it was Staging)" in out) == (0, True)
    status, out, _ = slipstream("trace", MODEL, "--version", "3")
    assert status == 0
    assert f"(from {model}, by " in out


def test_as_json_it_is_the_record(slipstream: Slipstream, model: Path) -> None:
    status, out, _ = slipstream("register", MODEL, str(model), "--json")
    value = json.loads(out)
    assert status == 0
    assert (value["version"], value["stage"], value["origin"], value["evaluated"]) == (3, "Staging", "imported", False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{folder}/nothing.onnx",), "There is no file at"),
        (("{folder}",), "There is a folder at"),
        (("gopher://x/y",), "No model is read from gopher: addresses"),
        (("{folder}/model.pkl",), "a pickle or an archive of one"),
        (("{folder}/wide.onnx",), "does not take the inputs of the spec"),
        (("{model}", "--categories", "{folder}/none.json"), "cannot be read"),
        (("{model}", "--trained-until", "soon"), "A time cannot be read"),
    ],
)
def test_what_cannot_be_registered_is_explained(
    slipstream: Slipstream, model: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    (tmp_path / "wide.onnx").write_bytes(safe_mean(5))
    status, out, err = slipstream("register", MODEL, *(each.format(folder=tmp_path, model=model) for each in arguments))
    assert (status, out) == (1, "")
    assert words in err
    assert "  next: " in err
    assert "imported" not in slipstream("versions", MODEL)[1]
