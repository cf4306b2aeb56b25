"""Ranks, and what the area under the ROC curve is the mean of: shared by the gate and by monitoring.

Source: DeLong, DeLong, Clarke-Pearson (1988), by midranks (Sun, Xu 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


def midranks(values: Values) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (counts.cumsum() - (counts - 1) / 2)[inverse]
    return ranks


def placements(positive: NDArray[np.bool_], scores: Values) -> NDArray[np.float64]:
    """Of each row, the share of the other class that it is on the right side of, ties half: the mean of either is the AUC."""
    ranks, own, p = midranks(scores), np.empty(len(scores)), int(positive.sum())
    own[positive], own[~positive] = midranks(scores[positive]), midranks(scores[~positive])
    above = (ranks - own) / np.where(positive, len(scores) - p, p)
    result: NDArray[np.float64] = np.where(positive, above, 1 - above)
    return result
