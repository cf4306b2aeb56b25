"""Ranks, and the placement values that the area under the ROC curve is the mean of.

Source: DeLong, DeLong, Clarke-Pearson (1988), computed by midranks (Sun, Xu 2014).
"""

from __future__ import annotations

import numpy as np

from include.metrics.arrays import Bools, Floats, Values


def midranks(values: Values) -> Floats:
    """Ranks [n] from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (counts.cumsum() - (counts - 1) / 2)[inverse]
    return ranks


def placements(positive: Bools, scores: Values) -> Floats:
    """Of each row [n], the share of the other class that it is ranked rightly against, ties half.

    The mean over either class is the AUC. Both classes must be there.
    """
    ranks, own, p = midranks(scores), np.empty(len(scores)), int(positive.sum())
    own[positive], own[~positive] = midranks(scores[positive]), midranks(scores[~positive])
    above = (ranks - own) / np.where(positive, len(scores) - p, p)
    result: Floats = np.where(positive, above, 1 - above)
    return result
