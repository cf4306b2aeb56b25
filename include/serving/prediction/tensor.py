"""Tensors of the Open Inference Protocol v2, as JSON and in its binary extension.

https://github.com/kserve/open-inference-protocol (REST), and Triton's binary data extension: the JSON is
followed by raw little-endian bytes, `parameters.binary_data_size` of them for each tensor, in order.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from include.serving.http.request_error import UNREADABLE, RequestError, decode_problem

DTYPES: dict[str, str] = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
BYTES = "BYTES"
Values = NDArray[Any]  # of a tensor: float32, float64, or objects that are texts
Answered = tuple[bytes, int | None]  # a response's body, and the length of its JSON part if binary data follow
MAX_ROWS = 10_000


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: Any = None


class Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """Clients write what they do not say as null, or leave it out."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Output] | None = None


_decode = msgspec.json.Decoder(InferRequest).decode


def decode_request(body: bytes, header_length: int | None) -> InferRequest:
    """The request with every tensor's `data` a flat list or array. Raises RequestError."""
    length = len(body) if header_length is None else header_length
    if not 0 < length <= len(body):
        what = "Inference-Header-Content-Length does not fit the body."
        raise RequestError(400, what, field="Inference-Header-Content-Length", value=length, allowed=f"1 to {len(body)}")
    request = _request(body[:length])
    rest = memoryview(body)[length:]
    for tensor in request.inputs:
        rest = _fill(tensor, rest)
    if len(rest):
        what = "The body is longer than its tensors."
        raise RequestError(400, what, field="body", value=len(rest), allowed="no bytes after the last tensor")
    return request


def _request(text: bytes) -> InferRequest:
    """The JSON. A bare NaN, which many a client writes though JSON has none, says what null says: unknown."""
    try:
        try:
            return _decode(text)
        except msgspec.DecodeError:
            if b"NaN" not in text:
                raise
            return _decode(msgspec.json.encode(json.loads(text, parse_constant=_constant)))
    except (*UNREADABLE, ValueError) as error:
        said, field = decode_problem(error)
        raise RequestError(400, f"The body is not an inference request: {said}.", field=field or "body") from None


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is no number")


def _fill(tensor: Tensor, rest: memoryview) -> memoryview:
    """Read the tensor's values; returns the bytes after it."""
    if tensor.datatype != BYTES and tensor.datatype not in DTYPES:
        raise RequestError(
            400, "Unknown datatype.", field=f"{tensor.name}.datatype", value=tensor.datatype, allowed=[*DTYPES, BYTES]
        )
    count = _elements(tensor)
    size = (tensor.parameters or {}).get("binary_data_size")
    if size is None:
        tensor.data = _flat(tensor, count)
        return rest
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
        raise RequestError(
            400,
            "A tensor's binary data is cut short.",
            field=f"{tensor.name}.binary_data_size",
            value=size,
            allowed=f"0 to {len(rest)}",
        )
    raw = rest[:size]
    tensor.data = _texts(tensor, raw, count) if tensor.datatype == BYTES else _numbers(tensor, raw, count)
    return rest[size:]


def _elements(tensor: Tensor) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
        if size < 0 or count > MAX_ROWS * 1000:
            raise RequestError(
                400, "A tensor's shape is impossible or too large.", field=f"{tensor.name}.shape", value=tensor.shape
            )
    if tensor.shape and tensor.shape[0] > MAX_ROWS:
        raise RequestError(
            400, "Too many rows.", field=f"{tensor.name}.shape", value=tensor.shape, allowed=f"at most {MAX_ROWS} rows"
        )
    return count


def _flat(tensor: Tensor, count: int) -> list[Any]:
    """JSON data may be flat or nested: the protocol allows both."""
    values: list[Any] = tensor.data if isinstance(tensor.data, list) else []
    while values and isinstance(values[0], list):
        if not all(isinstance(value, list) for value in values):
            break
        values = [item for value in values for item in value]
    if len(values) != count or any(isinstance(value, list | dict) for value in values):
        raise RequestError(
            400, "A tensor's data does not fill its shape.", field=tensor.name, value=len(values), allowed=f"{count} values"
        )
    return values


def _numbers(tensor: Tensor, raw: memoryview, count: int) -> NDArray[Any]:
    dtype = np.dtype(DTYPES[tensor.datatype])
    if len(raw) != count * dtype.itemsize:
        raise RequestError(
            400,
            "A tensor's binary data does not fill its shape.",
            field=tensor.name,
            value=len(raw),
            allowed=count * dtype.itemsize,
        )
    return np.frombuffer(raw, dtype)


def _texts(tensor: Tensor, raw: memoryview, count: int) -> list[str]:
    """Each value: its length in 4 bytes, then its UTF-8 bytes."""
    values, position = [], 0
    try:
        while position < len(raw):
            (length,) = struct.unpack_from("<I", raw, position)
            values.append(bytes(raw[position + 4 : position + 4 + length]).decode())
            position += 4 + length
    except (struct.error, UnicodeDecodeError):
        position = -1
    if position != len(raw) or len(values) != count:
        raise RequestError(
            400,
            "A BYTES tensor is not a row of length-prefixed UTF-8 texts that fills its shape.",
            field=tensor.name,
            allowed=f"{count} texts",
        )
    return values


def encode_response(
    values: dict[str, Any],
    tensors: Mapping[str, Values],
    binary: Mapping[str, bool],
    about: Mapping[str, dict[str, Any]] | None = None,
) -> Answered:
    """The body, and the length of its JSON part where binary data follow. `tensors` [n] or [n, k], in this order.

    `binary`: of each output that was asked for, whether as raw bytes. `about`: parameters of outputs. A number
    that is not known is null in JSON, and NaN in bytes.
    """
    outputs, rest = [], b""
    for name, as_bytes in binary.items():
        tensor, said = tensors[name], (about or {}).get(name, {})
        output: dict[str, Any] = {"name": name, "shape": list(tensor.shape), "datatype": _OF_DTYPE[tensor.dtype.char]}
        if as_bytes:
            raw = _raw(tensor)
            rest += raw
            outputs.append({**output, "parameters": {"binary_data_size": len(raw), **said}})
        else:
            outputs.append({**output, **({"parameters": said} if said else {}), "data": tensor.ravel().tolist()})
    header = msgspec.json.encode({**values, "outputs": outputs})
    return (header + rest, len(header)) if any(binary.values()) else (header, None)


_OF_DTYPE = {"f": "FP32", "d": "FP64", "O": BYTES}


def _raw(tensor: Values) -> bytes:
    """Little-endian, in order; each text with its length before it."""
    if tensor.dtype.char != "O":
        return tensor.astype(DTYPES[_OF_DTYPE[tensor.dtype.char]]).tobytes()
    texts = [str(text).encode() for text in tensor.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def asked_outputs(request: InferRequest, names: Sequence[str], more: Sequence[str] = ()) -> dict[str, bool]:
    """The outputs that are asked for, all of them where none is named, and of each whether as raw bytes. Raises RequestError.

    `more`: what is given where it is named, and only then.
    """
    asked: dict[str, bool | None] = {}
    for output in request.outputs or ():
        if output.name not in names and output.name not in more:
            raise RequestError(400, "Unknown output.", field="outputs.name", value=output.name, allowed=[*names, *more])
        if asked.get(output.name) is None:
            asked[output.name] = truth(output.parameters, "binary_data")
    found = asked or dict.fromkeys(names)
    if None not in found.values():
        return {name: bool(said) for name, said in found.items()}
    default = bool(truth(request.parameters, "binary_data_output"))
    return {name: default if said is None else said for name, said in found.items()}


def truth(parameters: dict[str, Any] | None, name: str) -> bool | None:
    """A parameter that is true or false; None where it is not said. Raises RequestError."""
    value = (parameters or {}).get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(400, "Not a truth.", field=f"parameters.{name}", value=value, allowed="true, false, or null")
    return value
