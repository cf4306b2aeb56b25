"""ONNX Runtime: opening a model file, scoring with it, and checking one before it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.file import read_model
from include.backends.onnx.ports import INPUT, OUTPUT, check_given, check_taken, given_of, join_outputs, taken_of
from include.core.errors import DataError, IntegrityError
from include.model_contract.batch import Columns, Encoded, Floats
from include.model_contract.encoder import Encoder

__all__ = ["INPUT", "OUTPUT", "OnnxModel", "check_model", "open_model", "quantize"]

FORMAT = "session.load_model_format"
FOLDER = "session.model_external_initializers_file_folder_path"


class OnnxModel:
    """One session on one core: a row of a small model costs less than waking a second thread."""

    def __init__(self, path: Path, session: Any) -> None:
        self.path = path
        self._session = session
        self.takes, self.gives = taken_of(path, session), given_of(path, session)
        self.named = self.takes.columns is not None
        self.inputs = self.takes.width  # how many numbers a row has, or how many columns are read
        self._outputs = list(self.gives.names)

    def score(self, features: Encoded) -> Floats:
        """float32 [n, inputs], or columns, to float32 [n] of one output, [n, k] of several. Raises DataError."""
        if isinstance(features, Columns):
            return self._score_columns(features)
        if self.named:
            raise DataError(f"{self.path} takes columns, not one tensor.", seen=features.shape)
        if features.ndim != 2 or features.shape[1] != self.inputs:
            raise DataError(f"{self.path} takes rows of {self.inputs} features.", seen=features.shape)
        answers: list[Floats] = self._session.run(self._outputs, {INPUT: np.ascontiguousarray(features, dtype=np.float32)})
        return answers[0] if len(answers) == 1 else join_outputs(self.gives, answers)

    def _score_columns(self, features: Columns) -> Floats:
        if self.takes.columns is None:
            raise DataError(f"{self.path} takes one tensor of {self.inputs} features, not columns.", seen=features.names)
        given = {column.name: column.given(features, self.path) for column in self.takes.columns}
        return join_outputs(self.gives, self._session.run(self._outputs, given))


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


def check_model(path: Path, inputs: Encoder | int, outputs: Sequence[str] = (OUTPUT,)) -> None:
    """Refuse a model that serving could not hold to: its structure, what it takes, what it gives."""
    import onnx

    model = open_model(path)
    check_taken(path, model.takes, inputs)
    check_given(path, model.gives, outputs)
    proto = onnx.load_model_from_string(read_model(path))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except onnx.checker.ValidationError as error:
        raise DataError(f"{path} is not valid ONNX: {str(error)[:300]}.") from error
