"""Ratios in the model's own file: as in training, whatever is missing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from examples.models.fraud.ratios import PAIRS, Ratios
from examples.models.fraud.spec import SPEC

NAMES = [feature.name for feature in SPEC.features.inputs]


def identity(columns: int) -> bytes:
    """A model that answers with its own columns."""
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", columns])
    made = helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", columns])
    graph = helper.make_graph([helper.make_node("Identity", ["features"], ["seen"])], "identity", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    written: bytes = model.SerializeToString()
    return written


def test_every_pair_is_of_inputs_of_the_spec() -> None:
    assert {name for pair in PAIRS for name in pair} <= set(NAMES)


def test_the_file_makes_the_ratios_that_training_made(tmp_path: Path) -> None:
    ratios = Ratios.of(NAMES)
    rows = np.random.default_rng(7).normal(20, 30, (200, len(NAMES))).astype(np.float32)
    rows[::3, 5:9] = math.nan
    rows[1], rows[2], rows[3] = math.nan, -1.0, 1e6
    path = tmp_path / "model.onnx"
    ratios.write(identity(len(NAMES) + len(PAIRS)), path)
    session = onnxruntime.InferenceSession(path.read_bytes())
    (seen,) = session.run(None, {"features": rows})
    np.testing.assert_allclose(seen, ratios.beside(rows), rtol=1e-6, equal_nan=True)
    assert onnx.load_model(path).graph.input[0].type.tensor_type.shape.dim[1].dim_value == len(NAMES)


def test_what_is_not_known_makes_no_ratio_and_nothing_is_divided_by_zero() -> None:
    row = np.zeros((1, len(NAMES)), dtype=np.float32)
    row[0, NAMES.index("amount")] = 12.0
    row[0, NAMES.index("terminal_mean_14d")] = math.nan
    made = dict(zip(PAIRS, Ratios.of(NAMES).beside(row)[0, len(NAMES) :], strict=True))
    assert made["amount", "customer_mean_14d"] == 12.0
    assert math.isnan(made["amount", "terminal_mean_14d"])
