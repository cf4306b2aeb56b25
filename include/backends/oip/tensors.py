"""Encoded rows as a request of the Open Inference Protocol v2, and its answer as outputs: JSON, or raw tensors behind it.

https://github.com/kserve/open-inference-protocol (REST), and Triton's binary data extension.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError
from include.model_contract.batch import Columns, Encoded, Floats
from include.model_contract.remote import Port, Remote

DTYPES: dict[str, str] = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
BYTES = "BYTES"
FLOATS = ("FP16", "FP32", "FP64")
HEADER = "Inference-Header-Content-Length"
SAFE = "nothing was taken from the answer."


def request(remote: Remote, rows: Encoded, name: str) -> tuple[bytes, dict[str, str]]:
    """The body and its headers. `name`: its id, which the answer repeats.

    Raises DataError for rows of another form than the server takes.
    """
    cells = _cells(remote, rows)
    inputs, rest = [], b""
    for port in remote.inputs:
        array = cells[port.name]
        described = {"name": port.name, "shape": _shape(port, array), "datatype": port.datatype}
        if remote.binary:
            raw = _raw(port, array)
            rest += raw
            inputs.append({**described, "parameters": {"binary_data_size": len(raw)}})
        else:
            inputs.append({**described, "data": _listed(port, array)})
    asked: list[dict[str, Any]] = [{"name": port.name} for port in remote.outputs]
    if remote.binary:
        asked = [{**each, "parameters": {"binary_data": True}} for each in asked]
    head = json.dumps({"id": name, "inputs": inputs, "outputs": asked}, allow_nan=False).encode()
    if not remote.binary:
        return head, {"Content-Type": "application/json"}
    return head + rest, {"Content-Type": "application/octet-stream", HEADER: str(len(head))}


def answer(remote: Remote, body: bytes, header: str | None, rows: int, name: str) -> Floats:
    """float32 [rows] of one output, [rows, k] of several. Raises DataError for an answer that is not what was promised."""
    try:
        length = len(body) if header is None else int(header)
        said = json.loads(body[:length])
        found = _tensors(said, memoryview(body)[length:])
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise _wrong(remote, f"cannot be read ({type(error).__name__})", body[:100]) from None
    if said.get("id") not in (None, "", name):
        raise _wrong(remote, "is to another question", said["id"])
    _check_version(remote, said)
    parts = [_output(remote, port, found, rows) for port in remote.outputs]
    joined = parts[0] if len(parts) == 1 else np.column_stack(parts)
    with np.errstate(over="ignore"):
        outputs: Floats = joined.astype(np.float32)
    return outputs


def _check_version(remote: Remote, said: Mapping[str, Any]) -> None:
    version = said.get("model_version")
    if remote.version and version not in (None, "", remote.version):
        raise _wrong(remote, f"is of version {version}", version)


def _output(remote: Remote, port: Port, found: Mapping[str, NDArray[Any]], rows: int) -> NDArray[Any]:
    """[rows], or [rows, k] of a port with several numbers a row."""
    if port.name not in found:
        raise _wrong(remote, f"has no output {port.name!r}", sorted(found))
    array, numbers = found[port.name], max(1, math.prod(port.shape[1:]))
    if array.shape[:1] != (rows,) or array.size != rows * numbers:
        raise _wrong(remote, f"has {port.name!r} of shape {list(array.shape)} for {rows} rows", list(port.shape))
    return array.reshape(rows, numbers) if numbers > 1 else array.reshape(rows)


def _tensors(said: Mapping[str, Any], rest: memoryview) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for output in said["outputs"]:
        if output["datatype"] not in DTYPES:
            continue  # texts: nothing that a problem asks for
        kind, shape = np.dtype(DTYPES[output["datatype"]]), [int(size) for size in output["shape"]]
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            array = np.array(output["data"], dtype=kind)
        else:
            if not 0 <= int(size) <= len(rest):
                raise ValueError("cut short")
            array, rest = np.frombuffer(rest[:size], kind), rest[size:]
        found[output["name"]] = array.reshape(shape)
    if len(rest):
        raise ValueError("longer than its tensors")
    return found


def _cells(remote: Remote, rows: Encoded) -> Mapping[str, NDArray[Any]]:
    if (remote.form == "columns") is not isinstance(rows, Columns):
        raise DataError(f"{remote.address} takes {remote.form}.", seen=type(rows).__name__, safe="nothing was sent.")
    return dict(rows.items()) if isinstance(rows, Columns) else {remote.inputs[0].name: rows}


def _shape(port: Port, array: NDArray[Any]) -> list[int]:
    """As the server's metadata has it: a column is [n], or [n, 1]."""
    return [len(array), 1] if array.ndim == 1 and len(port.shape) == 2 else list(array.shape)


def _raw(port: Port, array: NDArray[Any]) -> bytes:
    if port.datatype == BYTES:
        texts = [str(text).encode("utf-8", "replace") for text in array]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return _cast(port, array).tobytes()


def _cast(port: Port, array: NDArray[Any]) -> NDArray[Any]:
    """Raises DataError for a value that the tensor's type cannot hold, such as an unknown whole number."""
    with np.errstate(invalid="ignore", over="ignore"):
        cast: NDArray[Any] = array.astype(DTYPES[port.datatype])
    lost = (cast != array) if port.datatype not in FLOATS else (np.isfinite(array) & ~np.isfinite(cast))
    if lost.any():
        raise DataError(
            f"{port.name} as {port.datatype} cannot hold a value.", seen=array[lost][0].item(), safe="nothing was sent.",
            hint="give the feature a default in the spec, or have the server's model take FP64.",
        )  # fmt: skip
    return cast


def _listed(port: Port, array: NDArray[Any]) -> list[Any]:
    """JSON has no NaN: what is unknown is null, which a server may refuse."""
    if port.datatype == BYTES:
        return [str(text) for text in array]
    values: list[Any] = _cast(port, array).ravel().tolist()
    return [None if value != value else value for value in values] if port.datatype in FLOATS else values


def _wrong(remote: Remote, how: str, seen: object) -> DataError:
    return DataError(
        f"The answer of {remote.address} {how}.", seen=seen, safe=SAFE, hint="is the server's model the one that was registered?"
    )
