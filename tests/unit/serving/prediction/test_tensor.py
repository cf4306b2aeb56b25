from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from include.serving.http.request_error import RequestError
from include.serving.prediction.tensor import asked_outputs, decode_request, encode_response


def body(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


def tensor(data: Any, shape: list[int], datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": "x", "shape": shape, "datatype": datatype, "data": data, **more}


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]]]])
def test_json_data_is_flat_or_nested(data: list[Any]) -> None:
    (found,) = decode_request(body(tensor(data, [2, 2])), None).inputs
    assert found.data == [1, 2, 3, 4]


def test_a_bare_nan_says_what_null_says() -> None:
    (found,) = decode_request(b'{"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [NaN, null]}]}', None).inputs
    assert found.data == [None, None]


def test_raw_bytes_follow_the_json_a_tensor_after_the_other() -> None:
    numbers, texts = np.array([0.5, -2.0], "<f4").tobytes(), b"".join(struct.pack("<I", len(t)) + t for t in (b"", "é".encode()))
    header = body(
        {"name": "a", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": len(numbers)}},
        tensor([True, False], [2], "BOOL"),
        {"name": "b", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(texts)}},
    )
    first, second, third = decode_request(header + numbers + texts, len(header)).inputs
    assert (list(first.data), second.data, third.data) == ([0.5, -2.0], [True, False], ["", "é"])


@pytest.mark.parametrize(
    ("sent", "length", "says"),
    [
        (body(tensor([1, 2, 3], [2])), None, "does not fill its shape"),
        (body(tensor([[1, 2], 3], [3])), None, "does not fill its shape"),
        (body(tensor([1], [-1])), None, "impossible or too large"),
        (body(tensor([1], [100_000, 1000])), None, "impossible or too large"),
        (body(tensor([1] * 10_001, [10_001])), None, "Too many rows"),
        (body(tensor([1], [1], "FP128")), None, "Unknown datatype"),
        (body(tensor([1], [1])), 10_000, "does not fit the body"),
        (body(tensor([1], [1])), 0, "does not fit the body"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [Infinity]}]}', None, "not an inference request"),
    ],
)
def test_what_is_no_tensor_is_refused(sent: bytes, length: int | None, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        decode_request(sent, length)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("datatype", "size", "raw", "says"),
    [
        ("FP32", 8, b"\0" * 4, "cut short"),
        ("FP32", True, b"\0" * 4, "cut short"),
        ("FP32", 3, b"\0" * 3, "does not fill its shape"),
        ("FP32", 4, b"\0" * 5, "longer than its tensors"),
        ("BYTES", 4, struct.pack("<I", 9), "length-prefixed"),
        ("BYTES", 5, struct.pack("<I", 1) + b"\xff", "length-prefixed"),
    ],
)
def test_raw_bytes_that_do_not_fill_the_tensor_are_refused(datatype: str, size: int, raw: bytes, says: str) -> None:
    header = body({"name": "x", "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": size}})
    with pytest.raises(RequestError, match=says):
        decode_request(header + raw, len(header))


def test_scores_go_out_as_json_or_as_raw_bytes() -> None:
    scores = np.array([0.25, 1.0], np.float32)
    plain, none = encode_response({"id": "7"}, {"score": scores}, {"score": False})
    assert (json.loads(plain)["outputs"], none) == (
        [{"name": "score", "shape": [2], "datatype": "FP32", "data": [0.25, 1.0]}],
        None,
    )
    mixed, length = encode_response({"id": "7"}, {"score": scores}, {"score": True})
    assert length is not None
    assert json.loads(mixed[:length])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert list(np.frombuffer(mixed[length:], "<f4")) == [0.25, 1.0]


@pytest.mark.parametrize(
    ("more", "binary"),
    [
        ({}, False),
        ({"parameters": {"binary_data_output": True}}, True),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": True}}]}, True),
        (
            {"outputs": [{"name": "score", "parameters": {"binary_data": False}}], "parameters": {"binary_data_output": True}},
            False,
        ),
        ({"outputs": [{"name": "score"}], "parameters": {"binary_data_output": None}}, False),
    ],
)
def test_the_output_itself_says_how_it_is_wanted_else_the_request(more: dict[str, Any], binary: bool) -> None:
    assert asked_outputs(decode_request(body(tensor([1], [1]), **more), None), ("score",)) == {"score": binary}


@pytest.mark.parametrize("more", [{"outputs": [{"name": "logit"}]}, {"parameters": {"binary_data_output": "yes"}}])
def test_an_output_that_there_is_not_and_a_wish_that_is_no_truth_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        asked_outputs(decode_request(body(tensor([1], [1]), **more), None), ("score",))


NAMES = ("value", "low", "high")


def test_of_several_outputs_those_come_that_are_asked_for_each_as_it_is_wanted() -> None:
    several = {name: np.array([place, place + 0.5], np.float32) for place, name in enumerate(NAMES)}
    wanted = {"outputs": [{"name": "high", "parameters": {"binary_data": True}}, {"name": "value"}]}
    asked = asked_outputs(decode_request(body(tensor([1], [1]), **wanted), None), NAMES)
    assert list(asked.items()) == [("high", True), ("value", False)]
    mixed, length = encode_response({}, several, asked)
    assert length is not None
    first, second = json.loads(mixed[:length])["outputs"]
    assert (first["name"], first["parameters"], second["name"], second["data"]) == (
        "high",
        {"binary_data_size": 8},
        "value",
        [0.0, 0.5],
    )
    assert list(np.frombuffer(mixed[length:], "<f4")) == [2.0, 2.5]
    assert asked_outputs(decode_request(body(tensor([1], [1])), None), NAMES) == dict.fromkeys(NAMES, False)


def test_a_matrix_goes_out_flat_beside_its_shape() -> None:
    body, _ = encode_response({}, {"probabilities": np.array([[0.25, 0.75], [1, 0]], np.float32)}, {"probabilities": False})
    (output,) = json.loads(body)["outputs"]
    assert (output["shape"], output["data"]) == ([2, 2], [0.25, 0.75, 1.0, 0.0])
