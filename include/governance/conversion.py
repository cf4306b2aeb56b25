"""Model files that were made elsewhere: which format one is of, and the ONNX file that serves in its place."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from include.core.adapters import adapter
from include.core.errors import DataError
from include.model_contract.encoder import Encoder
from include.model_contract.model import is_remote
from include.problems.of import PLAIN
from include.problems.problem import Problem

Format = Literal["onnx", "xgboost", "lightgbm", "oip"]
HEAD = 4096  # bytes that tell a format
HINT = (
    "give an ONNX file, an XGBoost model in JSON (booster.save_model('model.json')) or a LightGBM model in text "
    "(booster.save_model('model.txt')); from Python also the fitted estimator itself: include.handover.register."
)


def format_of(path: Path) -> Format:
    """By its first bytes, whatever it is called. Raises DataError for what is not read here, which was not opened."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head[:1] == b"\x08":  # an ONNX file starts with field 1, ir_version
        return "onnx"
    if is_remote(path):
        return "oip"
    if head.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if head.lstrip()[:1] == b"{" and b'"learner"' in head.replace(b" ", b"")[:200]:
        return "xgboost"
    raise DataError(
        f"{path.name} is {_guess(path, head)}, which is not read.",
        seen=head[:16],
        safe="nothing was registered, and no code in it ran.",
        hint=HINT,
    )


def _guess(path: Path, head: bytes) -> str:
    if head[:1] == b"\x80" or head[:2] == b"\x1f\x8b":
        return "a pickle or an archive of one"
    if zipfile.is_zipfile(path):
        return "a zip archive (torch.save writes those, with a pickle inside)"
    if head[:1] == b"{":
        return "an XGBoost model in its binary form, or another document"
    return "of no format that is known here" if head else "empty"


def write_served(path: Path, encoder: Encoder, target: Path, problem: Problem = PLAIN) -> None:
    """Write the file that serves: ONNX with the problem's outputs, or the record of a remote model as it is.

    Raises DataError or IntegrityError, before anything is registered.
    """
    adopt: Callable[[Path, Encoder, Path, Problem], None] = adapter(
        "convert.onnx" if encoder.form == "tensor" else "convert.columns"
    )
    kind = format_of(path)
    if kind == "oip":
        shutil.copyfile(path, target)
        return
    if kind == "onnx":
        adopt(path, encoder, target, problem)
        return
    if encoder.form == "columns":
        raise DataError(
            f"A file of {kind} takes one tensor of numbers, and the spec says columns.",
            seen=path.name,
            safe="nothing was registered.",
            hint='leave training.inputs at "tensor", without texts, or register an ONNX file of columns.',
        )
    convert: Callable[[Path, Sequence[str], Path, Sequence[str]], None] = adapter(f"convert.{kind}")
    trees = target.with_name(f"{kind}-{target.name}")
    convert(path, encoder.places, trees, problem.outputs)
    adopt(trees, encoder, target, problem)
