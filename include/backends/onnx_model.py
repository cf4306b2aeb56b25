"""ONNX Runtime: opening a model file, scoring with it, and checking one before it is trusted."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from include.core.errors import DataError, IntegrityError
from include.evaluation.model import Floats

INPUT, OUTPUT = "features", "score"
FLOAT = "tensor(float)"


class OnnxModel:
    """One session on one core: a row of a small model costs less than waking a second thread."""

    def __init__(self, path: Path, session: Any) -> None:
        self.path = path
        self._session = session
        self._check_ports()
        self.inputs = int(session.get_inputs()[0].shape[1])  # how many features a row has

    def _check_ports(self) -> None:
        ins, outs = self._session.get_inputs(), self._session.get_outputs()
        seen = {port.name: (port.type, port.shape) for port in (*ins, *outs)}
        names = ([port.name for port in ins], [port.name for port in outs])
        if names != ([INPUT], [OUTPUT]) or {port.type for port in (*ins, *outs)} != {FLOAT}:
            raise DataError(f"{self.path} must map one float32 tensor {INPUT!r} to one float32 tensor {OUTPUT!r}.", seen=seen)
        if len(ins[0].shape) != 2 or not isinstance(ins[0].shape[1], int) or len(outs[0].shape) != 1:
            raise DataError(f"{self.path} must map {INPUT} [n, inputs] to {OUTPUT} [n].", seen=seen)
        if isinstance(ins[0].shape[0], int):
            raise DataError(f"{self.path} takes a fixed number of rows; the first axis must be free.", seen=seen)

    def score(self, features: Floats) -> Floats:
        """Features float32 [n, inputs] to the probability of the positive class float32 [n]."""
        if features.ndim != 2 or features.shape[1] != self.inputs:
            raise DataError(f"{self.path} takes rows of {self.inputs} features.", seen=features.shape)
        scores: Floats = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(features, dtype=np.float32)})[0]
        return scores


def open_model(path: Path) -> OnnxModel:
    """Load an ONNX file for scoring on one core.

    Raises IntegrityError for anything that is not ONNX (a pickle is recognised by its first bytes and
    never opened), DataError for one with other inputs or outputs.
    """
    import onnxruntime

    data = _onnx_bytes(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        # From bytes, not from the path: a file beside the model can then not be read as its weights.
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise IntegrityError(
            f"{path} is not a model that ONNX Runtime can load: {str(error).strip()[:300]}.",
            seen=f"{len(data)} bytes",
            safe="nothing was replaced by it.",
            hint="train the model again, or restore the file from the ledger.",
        ) from error
    return OnnxModel(path, session)


def quantize(source: Path, target: Path) -> None:
    """Write the model with weights of 8 bits (dynamic: activations are quantised as they come)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def check_model(path: Path, inputs: int) -> None:
    """Refuse a model that serving could not hold to: structure, size of a row, weights outside the file."""
    import onnx

    model = open_model(path)
    if model.inputs != inputs:
        raise DataError(f"{path} takes {model.inputs} features, but the signature has {inputs}.")
    proto = onnx.load(path, load_external_data=False)
    outside = [tensor.name for tensor in proto.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise DataError(f"{path} keeps weights in other files.", seen=outside[:5], hint="export with external_data=False.")
    try:
        onnx.checker.check_model(proto, full_check=True)
    except onnx.checker.ValidationError as error:
        raise DataError(f"{path} is not valid ONNX: {str(error)[:300]}.") from error


def _onnx_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    kind = _foreign_kind(path, data)
    if kind:
        raise IntegrityError(
            f"{path} is {kind}, not ONNX: it was not opened.",
            seen=data[:8],
            safe="no code in it ran.",
            hint="a model's fit must write ONNX to job.model_path.",
        )
    return data


def _foreign_kind(path: Path, data: bytes) -> str:
    if not data:
        return "empty"
    if data[0] == 0x80 and len(data) > 1 and data[1] <= 5:
        return "a pickle"
    if zipfile.is_zipfile(path):
        return "a zip archive (torch.save and skops write those, with pickles inside)"
    if data[:4] == b"\x89HDF":
        return "an HDF5 file"
    if data[0] != 0x08:  # an ONNX file starts with field 1, ir_version
        return "some other format (joblib, pickle protocol 0, text, ...)"
    return ""
