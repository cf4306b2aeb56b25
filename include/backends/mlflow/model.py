"""A model folder that `mlflow.onnx.load_model` and `mlflow.pyfunc` read. Explicit requirements: inferring costs seconds."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from include.backends.onnx.file import read_model
from include.governance.package import SIGNATURE, Package
from include.model_contract.remote import ONNX as MODEL
from include.model_contract.remote import REMOTE

REQUIREMENTS = ("onnx", "onnxruntime", "numpy")


def write_model(package: Package, files: dict[str, Path], folder: Path) -> None:
    """Write MLmodel, model.onnx, signature.json and the requirements into `folder`, which must not exist."""
    if REMOTE in files:
        _write_record(package, files, folder)
        return
    data = read_model(files[MODEL])
    mlflow.onnx.save_model(
        onnx.load_model_from_string(data),
        str(folder),
        signature=signature(len(package.facts.signature["inputs"])),
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,  # one file, one digest
        metadata=package.tags,
    )
    (folder / MODEL).write_bytes(data)  # the very bytes that were evaluated
    (folder / SIGNATURE).write_bytes(files[SIGNATURE].read_bytes())


def _write_record(package: Package, files: dict[str, Path], folder: Path) -> None:
    """Of a model that another server serves: what is known of it. It has no flavor, for there is nothing to load."""
    folder.mkdir(parents=True)
    Model(metadata=package.tags).save(str(folder / "MLmodel"))
    for name in (REMOTE, SIGNATURE):
        (folder / name).write_bytes(files[name].read_bytes())


def signature(inputs: int) -> ModelSignature:
    """One float32 tensor [n, inputs] in, float32 scores [n] out."""
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, inputs), "features")]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1,), "score")]),
    )
