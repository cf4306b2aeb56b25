"""Files and scores that LightGBM itself has written (`expected.json` says which release), and ones that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from include.backends.lightgbm.convert import at_most, convert
from include.backends.onnx.model import check_model, open_model
from include.core.errors import DataError

HERE = Path(__file__).parent
NAMES = ("heat", "wind", "size", "rain")
TEXT = (HERE / "recorded.txt").read_text()


def test_the_file_scores_as_lightgbm_does(tmp_path: Path) -> None:
    convert(HERE / "recorded.txt", NAMES, tmp_path / "m.onnx")
    check_model(tmp_path / "m.onnx", 4)
    expected = json.loads((HERE / "expected.json").read_text())
    rows = np.array(expected["rows"], dtype=np.float32)  # None is NaN; the last row has a threshold as its value
    assert np.isnan(rows).any()
    assert np.abs(open_model(tmp_path / "m.onnx").score(rows) - expected["scores"]).max() < 1e-6


@pytest.mark.parametrize("threshold", [0.26523216068744665, -0.3248064517974853, 1.0, 0.0, -1.0000000180025095e-35, 16777217.0])
def test_a_threshold_parts_the_numbers_of_32_bits_as_the_one_of_64_does(threshold: float) -> None:
    near = np.float32(threshold)
    for value in (np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))):
        assert (float(value) <= threshold) == (float(value) <= at_most(threshold))


def test_where_nothing_counts_as_missing_a_nan_is_read_as_zero(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(TEXT.replace("decision_type=10 8 10 10 10 10", "decision_type=0 0 0 0 0 0"))
    convert(tmp_path / "m.txt", NAMES, tmp_path / "m.onnx")
    opened = open_model(tmp_path / "m.onnx")
    first = TEXT.index("Tree=0")
    assert "decision_type=10 8 10 10 10 10" in TEXT[first : TEXT.index("Tree=1")]
    holes, zeros = (np.array([[value, 5.0, 5.0, 5.0]], dtype=np.float32) for value in (np.nan, 0.0))
    only_first = TEXT[: TEXT.index("Tree=1")].replace("10 8 10 10 10 10", "0 0 0 0 0 0") + "end of trees\n"
    sizes = next(line for line in TEXT.splitlines() if line.startswith("tree_sizes="))
    (tmp_path / "one.txt").write_text(only_first.replace(sizes, "tree_sizes=1"))
    convert(tmp_path / "one.txt", NAMES, tmp_path / "one.onnx")
    one = open_model(tmp_path / "one.onnx")
    assert one.score(holes).tolist() == one.score(zeros).tolist()
    assert opened.inputs == 4


def test_a_tree_of_one_leaf_adds_it_to_every_row(tmp_path: Path) -> None:
    tree = "Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=-1.5\nis_linear=0\nshrinkage=1\n\n\nend of trees\n"
    head = TEXT[: TEXT.index("tree_sizes=")] + "tree_sizes=70\n\n"
    (tmp_path / "m.txt").write_text(head.replace("sigmoid:1", "sigmoid:2") + tree)
    convert(tmp_path / "m.txt", NAMES, tmp_path / "m.onnx")
    scores = open_model(tmp_path / "m.onnx").score(np.full((2, 4), np.nan, dtype=np.float32))
    assert scores == pytest.approx(1 / (1 + np.exp(3.0)))


WRONG = {
    "objective": ("objective=binary sigmoid:1", "objective=regression", "objective is regression"),
    "names": ("feature_names=heat wind size rain", "feature_names=heat size wind rain", "heat, wind, size, rain"),
    "width": ("max_feature_idx=3", "max_feature_idx=4", "does not take the inputs of the spec"),
    "category": ("decision_type=10 8", "decision_type=1 8", "splits by category"),
    "zeros": ("decision_type=10 8", "decision_type=4 8", "zeros that count as missing"),
    "linear": ("is_linear=0", "is_linear=1", "linear models"),
    "mean": ("max_feature_idx=3", "average_output\nmax_feature_idx=3", "the mean of its trees"),
    "torn": ("end of trees", "", "no whole LightGBM model"),
    "leaves": ("num_leaves=7", "num_leaves=9", "no whole LightGBM model"),
    "circle": ("left_child=1 ", "left_child=0 ", "its own descendant"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_read_is_refused_before_anything_is_written(tmp_path: Path, case: str) -> None:
    old, new, words = WRONG[case]
    assert old in TEXT
    (tmp_path / "m.txt").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(DataError, match=words) as refused:
        convert(tmp_path / "m.txt", NAMES, tmp_path / "m.onnx")
    assert refused.value.hint
    assert not (tmp_path / "m.onnx").exists()


def test_features_without_names_go_by_their_order(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(TEXT.replace("heat wind size rain", "Column_0 Column_1 Column_2 Column_3"))
    convert(tmp_path / "m.txt", NAMES, tmp_path / "m.onnx")


KINDS: dict[str, Any] = json.loads((HERE / "kinds.json").read_text())
OUTPUTS = {"multiclass": ("low", "middle", "high"), "ranking": ("score",)}


@pytest.mark.parametrize("kind", KINDS["models"])
def test_every_kind_of_problem_is_predicted_as_the_library_does(tmp_path: Path, kind: str) -> None:
    found, outputs = KINDS["models"][kind], OUTPUTS.get(kind, ("value",))
    (tmp_path / "m").write_text(found["text"])
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
    (tmp_path / "m").write_text(found["text"])
    with pytest.raises(DataError, match="objective"):
        convert(tmp_path / "m", NAMES, tmp_path / "m.onnx", outputs)
    assert not (tmp_path / "m.onnx").exists()
