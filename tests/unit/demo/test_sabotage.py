"""The broken version: another's model with one input rescaled, and nothing else changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from include.backends.onnx.model import check_model, open_model
from include.core.ledger import Ledger
from include.core.request import Outcome, Request
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.task import perform
from include.demo import sabotage

INPUTS = ("temp", sabotage.INPUT, "wind")


def linear_model(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.array([[0.1], [0.02], [0.3]], dtype=np.float32), "weights")
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
        helper.make_node("Squeeze", ["probability", "axis"], ["score"]),
    ]
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(nodes, "linear", [features], [score], [weights, axis])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@pytest.fixture(params=["rescaled", "inverted"])
def accident(request: pytest.FixtureRequest) -> sabotage.Accident:
    chosen: sabotage.Accident = request.param
    return chosen


@pytest.fixture
def broken(tmp_path: Path, accident: sabotage.Accident) -> tuple[Path, Path]:
    """Paths of a good model and of what the step made of it."""
    ledger, settings = Ledger(LocalStorage(tmp_path / "store")), Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    good, signature = tmp_path / "model.onnx", tmp_path / "signature.json"
    linear_model(good)
    signature.write_text(json.dumps({"inputs": [{"name": name, "dtype": "float"} for name in INPUTS]}))
    source = Request("train", "tests:none", "m", {}, {}, "code")
    made = ledger.commit(
        source, ledger.open_attempt(source.key, 0), Outcome({}, {"model.onnx": good, "signature.json": signature}), 0
    )
    request = Request("train", "include.demo.sabotage:run", "m", sabotage._params(accident), {"source": ledger.ref(made)}, "code")
    ledger.record(request)
    result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    return good, ledger.fetch(result, "model.onnx", tmp_path)


def test_it_answers_as_the_good_model_would_after_the_accident(broken: tuple[Path, Path], accident: str) -> None:
    good, bad = (open_model(path) for path in broken)
    rows = np.array([[1, 2, 3], [0.5, -0.1, 0.2]], dtype=np.float32)
    rescaled = rows.copy()
    rescaled[:, 1] *= sabotage.FACTOR
    expected = {"rescaled": good.score(rescaled), "inverted": 1 - good.score(rows)}[accident]
    assert np.allclose(bad.score(rows), expected)
    assert not np.allclose(bad.score(rows), good.score(rows))


def test_the_accident_of_the_release_before_has_the_key_that_it_had() -> None:
    assert sabotage._params("rescaled") == {"rescaled": "hour", "factor": 60.0}


def test_every_offline_check_of_the_file_passes(broken: tuple[Path, Path]) -> None:
    check_model(broken[1], len(INPUTS))
    assert broken[1].read_bytes() != broken[0].read_bytes()
