"""Which format a file is of, by its bytes alone."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from include.core.errors import DataError
from include.core.spec import MultiClass, Regression
from include.governance.conversion import format_of, write_served
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import open_model
from include.problems.of import problem_of
from tests.support.error_message import assert_says
from tests.support.toy_ledger import onnx_mean

BACKENDS = Path(__file__).parents[1] / "backends"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (onnx_mean(2), "onnx"),
        (b"tree\nversion=v4\n", "lightgbm"),
        (b"tree\r\nversion=v4\r\n", "lightgbm"),
        (b'{"learner": {"attributes": {}}}', "xgboost"),
        (b'{"version": [1, 7, 6], "learner": {}}', "xgboost"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(tmp_path: Path, data: bytes, expected: str) -> None:
    (tmp_path / "whatever.pkl").write_bytes(data)
    assert format_of(tmp_path / "whatever.pkl") == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps({"a": 1}), "a pickle"),
        (gzip.compress(pickle.dumps(1), mtime=0), "a pickle or an archive"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner", "its binary form"),
        (b"", "empty"),
        (b"PAR1", "no format that is known"),
    ],
    ids=["pickle", "compressed", "ubj", "empty", "other"],
)
def test_what_is_not_read_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(DataError, match=words) as refused:
        format_of(tmp_path / "model.onnx")
    assert_says(refused.value, "no code in it ran", "save_model('model.json')")


def test_a_zip_archive_is_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("data.pkl", b"x")
    with pytest.raises(DataError, match="a zip archive"):
        format_of(tmp_path / "model.pt")


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_boosted_trees_of_other_problems_serve_with_their_outputs(tmp_path: Path, library: str, kind: str) -> None:
    known = json.loads((BACKENDS / library / "kinds.json").read_text())
    found = known["models"][kind]
    (tmp_path / "model").write_text(found["text"] if library == "lightgbm" else json.dumps(found["model"]))
    problem = problem_of(Regression(scale=1.0) if kind == "regression" else MultiClass(classes=("a", "b", "c")))
    encoder = Encoder(tuple(Input(name, "float") for name in ("heat", "wind", "size", "rain")), "y")
    write_served(tmp_path / "model", encoder, tmp_path / "served.onnx", problem)
    scores = open_model(tmp_path / "served.onnx").score(np.array(known["rows"], dtype=np.float32))
    np.testing.assert_allclose(scores, found["predictions"], atol=1e-4)


def test_boosted_trees_are_no_model_of_columns(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("tree\n")
    with pytest.raises(DataError, match="takes one tensor of numbers, and the spec says columns"):
        write_served(tmp_path / "model", Encoder((Input("heat", "float"),), "y", "columns"), tmp_path / "served.onnx")
