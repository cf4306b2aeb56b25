"""Metrics of a binary score on rows that do not count alike, or whose decisions are no threshold's; and average precision.

With equal weights each equals its unweighted twin (include/metrics/binary.py; a test holds it).
"""

from __future__ import annotations

import numpy as np

from include.metrics.arrays import Floats, Groups
from include.metrics.binary import METRICS, share
from include.metrics.calibration import BINS, bin_of
from include.metrics.errors import ENOUGH_OF_A_CLASS, Influence
from include.problems.metric import nothing
from include.problems.truth import Outputs, Truth


def influence(name: str, truth: Truth, outputs: Outputs, decided: Groups) -> Influence:
    """Of a metric of the table. `decided` [n]: 0 or 1."""
    if not len(truth):
        return nothing(0)
    if name == "auc":
        return auc(truth, outputs)
    weight, score = truth.weights, outputs.astype(np.float64)
    ratio = METRICS[name].ratio
    if ratio is None:
        above, below = _gaps(truth, score), np.ones(len(truth))
    elif METRICS[name].uses_threshold:  # at a threshold of 1/2 the decisions themselves are the scores that give them
        above, below = ratio(truth.labels, decided.astype(np.float64), 0.5)
    else:
        above, below = ratio(truth.labels, score, 0.0)
    above, below = above * weight, below * weight
    value, total = share(above, below), below.sum()
    return Influence(value, (above - value * below) / total if total else np.zeros(len(truth)))


def _gaps(truth: Truth, score: Floats) -> Floats:
    """What each row adds to the calibration error: its residual, with the sign of its bin's."""
    residual, place = score - truth.labels, bin_of(score)
    signs = np.sign(np.bincount(place, residual * truth.weights, BINS))
    found: Floats = residual * signs[place]
    return found


def auc(truth: Truth, outputs: Outputs) -> Influence:
    """The chance that a positive scores above a negative, both drawn by weight; ties half."""
    positive, weight = truth.labels > 0.5, truth.weights
    if min(int(positive.sum()), int((~positive).sum())) < ENOUGH_OF_A_CLASS:
        return Influence(np.nan, np.full(len(truth), np.nan), positive)
    _, place = np.unique(outputs.astype(np.float64), return_inverse=True)
    ups, downs = np.bincount(place, weight * positive), np.bincount(place, weight * ~positive)
    below = (np.cumsum(downs) - downs / 2) / downs.sum()
    above = (ups.sum() - np.cumsum(ups) + ups / 2) / ups.sum()
    placed = np.where(positive, below[place], above[place])
    value = float((weight * placed)[positive].sum() / ups.sum())
    return Influence(value, weight * (placed - value) / np.where(positive, ups.sum(), downs.sum()), positive)


def average_precision(truth: Truth, outputs: Outputs) -> Influence:
    """The mean over positives of the precision among rows that score at least as much, as scikit-learn has it.

    Its influence is the derivative by a row's weight: a positive's own precision, and what the row does to the precision of
    all positives below it.
    """
    labels, weight = truth.labels, truth.weights
    total = float((labels * weight).sum())
    if total <= 0:
        return nothing(len(truth))
    _, place = np.unique(-outputs.astype(np.float64), return_inverse=True)  # 0: the highest scores
    hits, said = np.cumsum(np.bincount(place, labels * weight)), np.cumsum(np.bincount(place, weight))
    precision = hits / said
    ups = np.bincount(place, labels * weight)
    value = float((ups * precision).sum() / total)
    # What one more row at a place does to the positives from there on down.
    helped, diluted = _from_here_on(ups / said), _from_here_on(ups * hits / np.square(said))
    moved = labels * precision[place] + labels * helped[place] - diluted[place] - labels * value
    return Influence(value, weight * moved / total)


def _from_here_on(values: Floats) -> Floats:
    found: Floats = np.cumsum(values[::-1])[::-1]
    return found
