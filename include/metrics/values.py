"""Binary classification metrics in NumPy. Each equals scikit-learn's (a test holds it)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from include.core.request import Json

Array = NDArray[np.floating]

BINS = 10  # of the calibration table and the calibration error
EPSILON = 1e-7  # scores are float32: closer to 0 or 1 than this says nothing


def auc(labels: Array, scores: Array) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney U). NaN unless both classes are there."""
    positive = labels > 0.5
    n, p = len(labels), int(positive.sum())
    if p in (0, n):
        return math.nan
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - p * (p + 1) / 2) / (p * (n - p)))


def log_loss(labels: Array, scores: Array) -> float:
    """Mean negative log likelihood, natural logarithm."""
    p = np.clip(scores.astype(np.float64), EPSILON, 1 - EPSILON)
    return float(-np.mean(np.where(labels > 0.5, np.log(p), np.log1p(-p))))


def brier(labels: Array, scores: Array) -> float:
    """Mean squared error of the probability."""
    return float(np.mean((scores.astype(np.float64) - labels) ** 2))


def calibration(labels: Array, scores: Array, bins: int = BINS) -> list[dict[str, Json]]:
    """Of each equal-width bin that holds rows: how many, the mean score, the share of positives."""
    index = np.minimum((scores.astype(np.float64) * bins).astype(int), bins - 1)
    table: list[dict[str, Json]] = []
    for number in np.unique(index):
        inside = index == number
        table.append({"rows": int(inside.sum()), "score": float(scores[inside].mean()), "rate": float(labels[inside].mean())})
    return table


def ece(labels: Array, scores: Array, bins: int = BINS) -> float:
    """Expected calibration error: mean |share of positives - mean score| of the bins, by their rows."""
    gaps = (row["rows"] * abs(row["rate"] - row["score"]) for row in calibration(labels, scores, bins))
    return float(sum(gaps)) / len(labels)


def at_threshold(labels: Array, scores: Array, threshold: float = 0.5) -> dict[str, float]:
    """accuracy, precision, recall and f1 of `score >= threshold`; 0 where there is nothing to divide by."""
    said, is_so = scores >= threshold, labels > 0.5
    both, said_n, so_n = int((said & is_so).sum()), int(said.sum()), int(is_so.sum())
    return {
        "accuracy": float((said == is_so).mean()),
        "precision": both / said_n if said_n else 0.0,
        "recall": both / so_n if so_n else 0.0,
        "f1": 2 * both / (said_n + so_n) if said_n + so_n else 0.0,
    }


def measure(labels: Array, scores: Array) -> dict[str, Json]:
    """All of the above; a metric that is not defined for these rows is None."""
    found = {
        "auc": auc(labels, scores),
        "log_loss": log_loss(labels, scores),
        "brier": brier(labels, scores),
        "ece": ece(labels, scores),
        **at_threshold(labels, scores),
    }
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in found.items()}
