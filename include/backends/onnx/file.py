"""The one way to a model file's bytes: read once, within bounds, and looked through before anything opens them."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

from include.backends.onnx.walk import RefusedError, walk
from include.backends.onnx.wire import MalformedError
from include.core.errors import DataError, IntegrityError

LIMIT = 512 << 20  # bytes of a file


def read_model(path: Path) -> bytes:
    """The bytes of an ONNX file that is safe to hand to a parser or a runtime.

    Raises IntegrityError for what is not ONNX (a pickle is recognised by its first bytes and never opened), DataError
    for ONNX that is refused: tensors in other files, operators of strangers, sizes beyond what is stated.
    """
    data = _bytes(path)
    if kind := _foreign_kind(data):
        raise IntegrityError(
            f"{path} is {kind}, not ONNX: it was not opened.",
            seen=data[:8],
            safe="no code in it ran.",
            hint="a model's fit must write ONNX to job.model_path.",
        )
    try:
        walk(data)
    except MalformedError as error:
        raise IntegrityError(
            f"{path} is not a whole ONNX file: {error}.",
            seen=f"{len(data)} bytes",
            safe="it was not opened.",
            hint="train the model again, or restore the file from the ledger.",
        ) from error
    except RefusedError as error:
        raise DataError(f"{path} {error.what}.", seen=error.seen, safe="it was not opened.", hint=error.hint) from error
    return data


def _bytes(path: Path) -> bytes:
    """A regular file, no device or pipe that never ends, and no more than the limit."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise DataError(f"{path} is no regular file.", seen=stat.filemode(found.st_mode), safe="it was not read.")
    with open(handle, "rb") as file:
        data = file.read(LIMIT + 1) if found.st_size <= LIMIT else b""
    if found.st_size > LIMIT or len(data) > LIMIT:
        raise DataError(
            f"{path} is larger than a model file may be.",
            seen=f"{found.st_size} bytes",
            safe="it was not read.",
            hint=f"the limit is {LIMIT} bytes: prune or quantise the model (evaluation.int8).",
        )
    return data


def _foreign_kind(data: bytes) -> str:
    if not data:
        return "empty"
    if data[0] == 0x80 and len(data) > 1 and data[1] <= 5:
        return "a pickle"
    if zipfile.is_zipfile(io.BytesIO(data)):
        return "a zip archive (torch.save and skops write those, with pickles inside)"
    if data[:4] == b"\x89HDF":
        return "an HDF5 file"
    if data[4:8] == b"ORTM":
        return "ONNX Runtime's own format (it is not checked as ONNX is)"
    if data[0] != 0x08:  # an ONNX file starts with field 1, ir_version
        return "some other format (joblib, pickle protocol 0, text, ...)"
    return ""
