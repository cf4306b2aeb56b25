from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from include.core.errors import DataError, IntegrityError
from include.retrieval.safetensors import read_arrays, write_arrays

ARRAYS = {
    "vectors": np.arange(6, dtype=np.float32).reshape(2, 3),
    "places": np.array([1, 0], dtype=np.int64),
    "text": np.frombuffer(b"abc", dtype=np.uint8),
    "none": np.zeros((0, 4), dtype=np.float32),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS, {"format": "x"})
    found, told = read_arrays(tmp_path / "a")
    assert told == {"format": "x"}
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_the_same_arrays_are_the_same_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS, {"b": "2", "a": "1"})
    write_arrays(tmp_path / "b", dict(reversed(ARRAYS.items())), {"a": "1", "b": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_file_is_of_the_format_that_others_read(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", {"x": np.ones(2, np.float32)}, {})
    data = (tmp_path / "a").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    assert header["x"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert data[8 + length :] == np.ones(2, "<f4").tobytes()


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write_arrays(tmp_path / "a", {"x": np.array(["a"], dtype=object)}, {})


def _file(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


BROKEN = {
    "empty": b"",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00",
    "a header that is cut off": struct.pack("<Q", 100) + b"{}",
    "a header that never ends": struct.pack("<Q", 1 << 40) + b"{}",
    "no JSON": _file(b"{nothing}"),
    "a list": _file([1]),
    "beyond the end": _file({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"),
    "another size": _file({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"12345678"),
    "before the beginning": _file({"x": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, b"12345678"),
    "a negative shape": _file({"x": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}, b"12345678"),
    "another type": _file({"x": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}, b"12345678"),
    "no entry": _file({"x": 5}),
    "metadata that are none": _file({"__metadata__": {"a": 1}}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(BROKEN[name])
    with pytest.raises(IntegrityError, match="no whole safetensors file"):
        read_arrays(tmp_path / "a")
