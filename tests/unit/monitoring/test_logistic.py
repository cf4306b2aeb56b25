"""One logistic regression for recalibration, density ratios and the calibration slope."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from include.monitoring.logistic import newton
from include.monitoring.performance.comparison import calibration

# What the solver that calibration() had of its own gave for `scored(seed)`: slope, its error, offset.
BEFORE = {
    0: (0.6434173901431128, 0.034879610552842874, 0.2708801503593404),
    1: (0.6144563422908016, 0.034576523647158394, 0.21899870463608312),
}


def scored(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores that are too sharp by a half and too low."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.3, rows)
    return (rng.random(rows) < expit(0.3 + 0.66 * odds)).astype(float), expit(odds)


@pytest.mark.parametrize("seed", BEFORE)
def test_the_calibration_is_that_of_before(seed: int) -> None:
    found = calibration(*scored(seed))
    assert (found["slope"], found["slope_error"], found["offset"]) == pytest.approx(BEFORE[seed], rel=1e-9)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_coefficients_are_those_of_scikit_learn_where_it_has_the_same_problem(kind: type) -> None:
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(4000, 3)).astype(kind)
    target = (rng.random(4000) < expit(columns @ np.array([1.0, -0.5, 0.0]))).astype(float)
    weight = np.where(target > 0, 3.0, 1.0)
    theirs = LogisticRegression(C=1 / 50, fit_intercept=False, tol=1e-10, max_iter=1000).fit(columns, target, weight)
    found = newton(columns, target, weight, np.full(3, 50.0), close=1e-7)
    assert found.coefficients == pytest.approx(theirs.coef_[0], abs=1e-4 if kind is np.float32 else 1e-6)


def test_an_offset_is_a_column_whose_coefficient_is_one() -> None:
    rng = np.random.default_rng(5)
    known, columns = rng.normal(size=2000), rng.normal(size=(2000, 2))
    target = (rng.random(2000) < expit(known + columns @ np.array([0.7, -1.1]))).astype(float)
    found = newton(columns, target, 1.0, np.full(2, 1e-9), known)
    error = np.sqrt(np.diag(np.linalg.inv(found.information)))
    assert (np.abs(found.coefficients - [0.7, -1.1]) < 4 * error).all()


def test_classes_that_a_score_parts_give_numbers() -> None:
    label = np.repeat([0.0, 1.0], 50)
    found = calibration(label, np.where(label > 0, 0.9, 0.1))
    assert all(np.isfinite(value) for value in found.values())
