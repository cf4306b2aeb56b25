"""Numbers: metrics as scikit-learn has them, healthy outputs, labels that are none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error, r2_score

from include.core.errors import DataError
from include.core.spec import Regression
from include.problems.of import problem_of
from include.problems.truth import Truth
from tests.support.problem_draws import drawn


def test_metrics_are_those_of_scikit_learn() -> None:
    problem, truth, outputs = drawn("regression")
    found = problem.measure(truth, outputs)
    value = outputs[:, 0]
    assert found["mae"] == pytest.approx(mean_absolute_error(truth.labels, value), abs=1e-6)
    assert found["rmse"] == pytest.approx(mean_squared_error(truth.labels, value) ** 0.5, abs=1e-6)
    assert found["r2"] == pytest.approx(r2_score(truth.labels, value), abs=1e-6)
    pinball = sum(mean_pinball_loss(truth.labels, outputs[:, 1 + k], alpha=q) for k, q in enumerate((0.1, 0.9)))
    assert found["pinball"] == pytest.approx(pinball, abs=1e-6)
    inside = ((truth.labels >= outputs[:, 1]) & (truth.labels <= outputs[:, 2])).mean()
    assert found["coverage"] == pytest.approx(abs(inside - 0.8), abs=1e-6)


def test_what_is_wrong_with_outputs_is_said() -> None:
    problem = problem_of(Regression(scale=1, interval=0.9))
    good = np.array([[1.0, 0.0, 2.0], [5.0, 5.0, 5.0]])
    assert problem.check(good, 2) == ""
    assert problem.check(good[:, [1, 0, 2]], 2) == "1 values that lie outside their own interval, such as 0 and 1 to 2"
    assert "shape [2] where [2, 3]" in problem.check(good[:, 0], 2)
    assert "not finite" in problem.check(np.full((2, 3), np.nan), 2)


def test_labels_that_are_no_numbers_are_refused_with_their_values() -> None:
    problem = problem_of(Regression(scale=1, minimum=0))
    assert problem.encode(pa.chunked_array([[1, 2]]), "late").tolist() == [1.0, 2.0]
    for column, words in (
        (pa.chunked_array([["1"]]), "must be a number"),
        (pa.chunked_array([[1.0, float("inf")]]), "must be finite"),
        (pa.chunked_array([[1.0, -3.0]]), "must be a number of at least 0"),
    ):
        with pytest.raises(DataError, match=words):
            problem.encode(column, "late")
    for value in ("7", True, None, float("nan"), -1):
        with pytest.raises(DataError, match="finite number of at least 0"):
            problem.read_label(value)
    assert problem.read_label(7) == 7.0


def test_labels_that_are_all_the_same_teach_nothing() -> None:
    problem = problem_of(Regression(scale=1))
    assert "all 50 labels are 3" in problem.too_few(Truth(np.full(50, 3.0)), 10)
    assert problem.too_few(Truth(np.arange(50.0)), 10) == ""
    assert "at least 100" in problem.too_few(Truth(np.arange(50.0)), 100)


def test_answers_and_defaults() -> None:
    ranged = problem_of(Regression(scale=1, interval=0.9, default=4, minimum=0))
    assert ranged.answer([1.0, 0.5, 2.0]) == {"value": 1.0, "low": 0.5, "high": 2.0}
    assert ranged.default_output.tolist() == [4, 0, 4]
    assert problem_of(Regression(scale=1)).answer(2.0) == {"value": 2.0}


def test_baselines_have_the_shape_of_the_outputs() -> None:
    problem, truth, _ = drawn("regression")
    rows = np.column_stack([truth.labels, np.arange(len(truth)) % 3]).astype(np.float32)
    assert problem.check(problem.boosted(rows, truth, rows, [1], 7), len(truth)) == ""
    groups = ["x" if each else "y" for each in np.arange(len(truth)) % 2]
    by_group = problem.historical(truth, groups, ["x", "never seen"])
    assert by_group[0, 0] == pytest.approx(np.median(truth.labels[1::2]))
    assert by_group[1, 0] == pytest.approx(np.median(truth.labels))
