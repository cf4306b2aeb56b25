"""Arrays in one file that holds nothing but numbers: the safetensors format, of which these few types are needed.

    8 bytes    the length of the header, little-endian
    header     JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"text": "text"}}
    the rest   the arrays' bytes, little-endian, one after the other

https://huggingface.co/docs/safetensors: no code is in such a file, and none runs when it is read. Every length and offset is
checked before an array is made of it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError, IntegrityError

Arrays = dict[str, NDArray[Any]]
LARGEST_HEADER = 1 << 20  # bytes
LARGEST = 8 << 30  # bytes of a file
DTYPES = {"F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """The same arrays give the same bytes. Raises DataError for an array of another type than float32, int64, int32, uint8."""
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    place, parts = 0, []
    for name, array in sorted(arrays.items()):
        kind = _NAMES.get(array.dtype)
        if kind is None:
            raise DataError(f"The array {name!r} cannot be written.", seen=str(array.dtype), hint=f"make it {', '.join(DTYPES)}.")
        data = np.ascontiguousarray(array, dtype=DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [place, place + len(data)]}
        place += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays begin at a multiple of eight
    path.write_bytes(b"".join([_LENGTH.pack(len(text)), text, *parts]))


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays by name, and the metadata. Raises IntegrityError for what is no whole file of this format."""
    size = path.stat().st_size
    if size > LARGEST:
        raise _broken(path, f"{size} bytes", f"at most {LARGEST} bytes are read")
    data = path.read_bytes()
    header, start = _header(path, data)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _broken(path, metadata, "its metadata are not texts by name")
    return {name: _array(path, name, entry, data, start) for name, entry in header.items()}, metadata


def _header(path: Path, data: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the arrays begin."""
    if len(data) < _LENGTH.size:
        raise _broken(path, f"{len(data)} bytes", "its head is cut off")
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if length > LARGEST_HEADER or start > len(data):
        raise _broken(path, f"a header of {length} bytes in {len(data)}", "its header is cut off, or it is of another format")
    try:
        header = json.loads(data[_LENGTH.size : start])
    except (ValueError, RecursionError) as error:
        raise _broken(path, data[:16], f"its header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise _broken(path, header, "its header is no object")
    return header, start


def _array(path: Path, name: str, entry: Any, data: bytes, start: int) -> NDArray[Any]:
    try:
        dtype, shape, (first, end) = np.dtype(DTYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
        whole = all(isinstance(number, int) and number >= 0 for number in (*shape, first, end))
        fits = whole and end - first == math.prod(shape) * dtype.itemsize and start + end <= len(data)
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise _broken(path, {name: entry}, "an array does not lie where its header says")
    return np.frombuffer(data, dtype, count=math.prod(shape), offset=start + first).reshape(shape)


def _broken(path: Path, seen: object, why: str) -> IntegrityError:
    return IntegrityError(
        f"{path.name} is no whole safetensors file: {why}.",
        seen=seen,
        safe="nothing was taken from it.",
        hint="train the version again, or restore the file from the ledger.",
    )
