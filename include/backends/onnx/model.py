"""ONNX Runtime: opening a model file, scoring with it, and checking one before it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.file import read_model
from include.core.errors import DataError, IntegrityError
from include.model_contract.model import Floats

INPUT, OUTPUT = "features", "score"
FLOAT = "tensor(float)"
FORMAT = "session.load_model_format"
FOLDER = "session.model_external_initializers_file_folder_path"


class OnnxModel:
    """One session on one core: a row of a small model costs less than waking a second thread."""

    def __init__(self, path: Path, session: Any) -> None:
        self.path = path
        self._session = session
        self._check_ports()
        self.inputs = int(session.get_inputs()[0].shape[1])  # how many features a row has
        self.outputs = [port.name for port in session.get_outputs()]
        self.wide = len(session.get_outputs()[0].shape) == 2

    def _check_ports(self) -> None:
        ins, outs = self._session.get_inputs(), self._session.get_outputs()
        seen = {port.name: (port.type, port.shape) for port in (*ins, *outs)}
        if [port.name for port in ins] != [INPUT] or {port.type for port in (*ins, *outs)} != {FLOAT}:
            raise DataError(f"{self.path} must map one float32 tensor {INPUT!r} to float32 tensors.", seen=seen)
        if len(ins[0].shape) != 2 or not isinstance(ins[0].shape[1], int) or not _gives_rows(outs):
            raise DataError(
                f"{self.path} must map {INPUT} [n, inputs] to one output [n], one tensor [n, k], or k outputs [n].",
                seen=seen,
            )
        if isinstance(ins[0].shape[0], int):
            raise DataError(f"{self.path} takes a fixed number of rows; the first axis must be free.", seen=seen)

    def score(self, features: Floats) -> Floats:
        """Features float32 [n, inputs] to float32 [n] of one output, [n, k] of several."""
        if features.ndim != 2 or features.shape[1] != self.inputs:
            raise DataError(f"{self.path} takes rows of {self.inputs} features.", seen=features.shape)
        answers = self._session.run(self.outputs, {INPUT: np.ascontiguousarray(features, dtype=np.float32)})
        scores: Floats = np.stack(answers, axis=1) if len(answers) > 1 else answers[0]
        return scores


def _gives_rows(ports: Any) -> bool:
    """One output [n] or [n, k], or several [n]."""
    if len(ports) == 1:
        shape = ports[0].shape
        return len(shape) == 1 or (len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 1)
    return all(len(port.shape) == 1 for port in ports)


def open_model(path: Path) -> OnnxModel:
    """Load an ONNX file for scoring on one core.

    Raises IntegrityError for anything that is not ONNX (a pickle is recognised by its first bytes and
    never opened), DataError for what is refused (include/backends/onnx/file.py) and for other inputs or outputs.
    """
    import onnxruntime

    data = read_model(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry(FORMAT, "ONNX")
    # From bytes, not from the path, and with a folder to look for files in that holds none, since it is the file itself:
    # nothing beside the model or in this process's own folder is read as its weights, were a reference to slip past the walk.
    options.add_session_config_entry(FOLDER, str(path.absolute()))
    try:
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

    read_model(source)  # the quantiser opens the file by itself
    quantize_dynamic(source, target, weight_type=QuantType.QInt8)


def check_model(path: Path, inputs: int, outputs: Sequence[str] = (OUTPUT,)) -> None:
    """Refuse a model that serving could not hold to: its structure, the size of a row, what it gives."""
    import onnx

    model = open_model(path)
    if model.inputs != inputs:
        raise DataError(f"{path} takes {model.inputs} features, but the signature has {inputs}.")
    if not model.wide and tuple(model.outputs) != tuple(outputs):
        raise DataError(f"{path} must name its outputs as the problem does: {', '.join(outputs)}.", seen=model.outputs)
    proto = onnx.load_model_from_string(read_model(path))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except onnx.checker.ValidationError as error:
        raise DataError(f"{path} is not valid ONNX: {str(error)[:300]}.") from error
