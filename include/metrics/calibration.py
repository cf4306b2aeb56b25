"""Whether a score is worth what it says: a score of 0.3 should come true three times in ten.

The calibration error is the expected calibration error over bins of equal width (Naeini, Cooper, Hauskrecht 2015; Guo et
al. 2017): the mean gap between score and rate, weighted by rows.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from include.metrics.arrays import Floats, Values

BINS = 10  # of equal width, for the table and for the error


class Bin(TypedDict):
    """The rows whose score lies in one bin: how many, their mean score, and the share of them that is positive."""

    rows: int
    score: float
    rate: float


def bin_of(scores: Values) -> NDArray[np.intp]:
    """The bin [n] of each score within 0 and 1."""
    return np.minimum((scores.astype(np.float64) * BINS).astype(np.intp), BINS - 1)


def calibration_table(labels: Values, scores: Values, weight: Values | None = None) -> list[Bin]:
    """The bins that hold rows, lowest scores first. `weight` [n]: of means and shares, where rows count differently."""
    place = bin_of(scores)
    rows = np.bincount(place, minlength=BINS)
    if weight is None:
        total, score, rate = (np.bincount(place, each, BINS) for each in (None, scores, labels))
    else:
        total, score, rate = (np.bincount(place, each, BINS) for each in (weight, scores * weight, labels * weight))
    return [
        Bin(rows=int(rows[b]), score=float(score[b] / total[b]), rate=float(rate[b] / total[b])) for b in np.flatnonzero(rows)
    ]


def gaps(labels: Values, scores: Values) -> Floats:
    """What each row [n] adds to the calibration error, which is their mean.

    A row's residual counts with the sign of its bin's: within a bin residuals cancel, between bins they do not.
    """
    residual = scores.astype(np.float64) - labels
    place = bin_of(scores)
    signs = np.sign(np.bincount(place, residual, BINS))
    found: Floats = residual * signs[place]
    return found
