"""Files and scores that XGBoost itself has written (`expected.json` says which release), and ones that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.onnx.model import check_model, open_model
from include.backends.xgboost.convert import convert
from include.core.errors import DataError

HERE = Path(__file__).parent
NAMES = ("heat", "wind", "size", "rain")


def recorded() -> dict[str, Any]:
    model: dict[str, Any] = json.loads((HERE / "recorded.json").read_text())
    return model


def written(folder: Path, model: object) -> Path:
    path = folder / "model.json"
    path.write_text(json.dumps(model))
    return path


def test_the_file_scores_as_xgboost_does(tmp_path: Path) -> None:
    convert(HERE / "recorded.json", NAMES, tmp_path / "m.onnx")
    check_model(tmp_path / "m.onnx", 4)
    expected = json.loads((HERE / "expected.json").read_text())
    rows = np.array(expected["rows"], dtype=np.float32)  # None is NaN; the last row has a threshold as its value
    assert np.isnan(rows).any()
    assert np.abs(open_model(tmp_path / "m.onnx").score(rows) - expected["scores"]).max() < 1e-6


def test_the_base_score_of_earlier_releases_is_no_list(tmp_path: Path) -> None:
    model = recorded()
    parameters = model["learner"]["learner_model_param"]
    parameters["base_score"] = parameters["base_score"].strip("[]")
    convert(HERE / "recorded.json", NAMES, tmp_path / "list.onnx")
    convert(written(tmp_path, model), NAMES, tmp_path / "number.onnx")
    assert (tmp_path / "list.onnx").read_bytes() == (tmp_path / "number.onnx").read_bytes()


def test_a_node_that_was_pruned_is_left_out(tmp_path: Path) -> None:
    model = recorded()
    tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
    inner = tree["left_children"][0]
    tree["left_children"][inner] = tree["right_children"][inner] = -1  # its children stay in the arrays
    tree["split_conditions"][inner] = 0.25
    convert(written(tmp_path, model), NAMES, tmp_path / "m.onnx")
    check_model(tmp_path / "m.onnx", 4)


def learner(model: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = model["learner"]
    return found


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "objective": (lambda m: learner(m)["objective"].update(name="reg:squarederror"), "objective is reg:squarederror"),
    "classes": (lambda m: learner(m)["learner_model_param"].update(num_class="3"), "does not predict the probability of one"),
    "names": (lambda m: learner(m).update(feature_names=["heat", "size", "wind", "rain"]), "heat, wind, size, rain"),
    "width": (lambda m: learner(m)["learner_model_param"].update(num_feature="5"), "does not take the inputs of the spec"),
    "types": (lambda m: learner(m).update(feature_types=["float", "c", "float", "float"]), "type category"),
    "booster": (lambda m: learner(m)["gradient_booster"].update(name="dart"), "booster 'dart'"),
    "early": (lambda m: learner(m)["attributes"].update(best_iteration="2"), "stopped early"),
    "category": (lambda m: learner(m)["gradient_booster"]["model"]["trees"][1]["split_type"].__setitem__(0, 1), "by category"),
    "base": (lambda m: learner(m)["learner_model_param"].update(base_score="7"), "base score"),
    "torn": (lambda m: learner(m).pop("gradient_booster"), "no XGBoost model in JSON"),
    "circle": (
        lambda m: learner(m)["gradient_booster"]["model"]["trees"][0]["left_children"].__setitem__(1, 0),
        "its own descendant",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_read_is_refused_before_anything_is_written(tmp_path: Path, case: str) -> None:
    change, words = WRONG[case]
    model = recorded()
    change(model)
    with pytest.raises(DataError, match=words) as refused:
        convert(written(tmp_path, model), NAMES, tmp_path / "m.onnx")
    assert refused.value.hint
    assert not (tmp_path / "m.onnx").exists()


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(b"{not json")
    with pytest.raises(DataError, match="no XGBoost model in JSON"):
        convert(tmp_path / "model.json", NAMES, tmp_path / "m.onnx")


KINDS: dict[str, Any] = json.loads((HERE / "kinds.json").read_text())
OUTPUTS = {"multiclass": ("low", "middle", "high"), "ranking": ("score",)}


@pytest.mark.parametrize("kind", KINDS["models"])
def test_every_kind_of_problem_is_predicted_as_the_library_does(tmp_path: Path, kind: str) -> None:
    found, outputs = KINDS["models"][kind], OUTPUTS.get(kind, ("value",))
    (tmp_path / "m").write_text(json.dumps(found["model"]))
    convert(tmp_path / "m", NAMES, tmp_path / "m.onnx", outputs)
    check_model(tmp_path / "m.onnx", 4, outputs)
    predicted = open_model(tmp_path / "m.onnx").score(np.array(KINDS["rows"], dtype=np.float32))
    expected = np.array(found["predictions"])
    assert predicted.shape == expected.shape
    assert np.abs(predicted - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    ("kind", "outputs"), [("multiclass", ("value",)), ("regression", ("low", "high")), ("regression", ("score",))]
)
def test_an_objective_that_is_not_the_problems_is_refused(tmp_path: Path, kind: str, outputs: tuple[str, ...]) -> None:
    found = KINDS["models"][kind]
    (tmp_path / "m").write_text(json.dumps(found["model"]))
    with pytest.raises(DataError, match="objective"):
        convert(tmp_path / "m", NAMES, tmp_path / "m.onnx", outputs)
    assert not (tmp_path / "m.onnx").exists()
