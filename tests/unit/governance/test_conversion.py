"""Which format a file is of, by its bytes alone."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import pytest

from include.core.errors import DataError
from include.governance.conversion import format_of
from tests.support.error_message import assert_says
from tests.support.toy_ledger import onnx_mean


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
