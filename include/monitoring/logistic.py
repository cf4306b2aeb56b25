"""Logistic regression by Newton's method, for regressions that start from known log odds.

scikit-learn's has no place for an offset (what recalibration starts from) and gives no information matrix (what the standard
error of a calibration slope comes from).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from include.monitoring.profile.binning import Floats

STEPS = 25  # at most; some five are needed


class Solution(NamedTuple):
    coefficients: Floats  # [columns]
    information: Floats  # [columns, columns]: the penalised log likelihood's curvature; its inverse is the covariance


def newton(
    columns: npt.NDArray[np.floating],
    target: Floats,
    weight: Floats | float,
    penalty: Floats,
    offset: Floats | float = 0.0,
    *,
    close: float = 1e-9,
    steps: int = STEPS,
) -> Solution:
    """Coefficients of the `columns` [n, k], computed in their own precision, whose log odds add to `offset` [n].

    `target` [n] lies within 0 and 1, `weight` [n] says how often a row counts, `penalty` [k] is the ridge of each column. It
    ends when no coefficient moves by `close` any more, or after so many steps.
    """
    kind = columns.dtype
    found, information = np.zeros(columns.shape[1]), np.diag(penalty)
    for _ in range(steps):
        p = expit(columns @ found.astype(kind) + offset)
        slope = columns.T @ (weight * (target - p)).astype(kind) - penalty * found
        curve = (columns * (weight * p * (1 - p)).astype(kind)[:, None]).T @ columns
        information = curve.astype(np.float64) + np.diag(penalty)
        step = np.linalg.solve(information, slope)
        found = found + step
        if np.abs(step).max() < close:
            break
    return Solution(found, information)
