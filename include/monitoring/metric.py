"""Metrics of a binary score, each with a standard error. NumPy only; arrays are float64 [n], labels 0 or 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]

HIGHER_IS_BETTER = {"auc": True, "accuracy": True, "log_loss": False, "brier": False, "calibration_error": False}


def auc(label: Floats, score: Floats) -> float:
    """Chance that a positive scores above a negative, ties half. Needs both classes."""
    positives = label.sum()
    above = _midranks(score)[label == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(label) - positives)))


def auc_error(label: Floats, score: Floats) -> float:
    """DeLong's standard error, by midranks (Sun, Xu 2014)."""
    x, y = score[label == 1], score[label == 0]
    ranks = _midranks(np.concatenate([x, y]))
    v10 = (ranks[: len(x)] - _midranks(x)) / len(y)
    v01 = 1 - (ranks[len(x) :] - _midranks(y)) / len(x)
    return float(np.sqrt(v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y)))


def log_loss(label: Floats, score: Floats) -> float:
    return float(_log_losses(label, score).mean())


def brier(label: Floats, score: Floats) -> float:
    return float(np.square(score - label).mean())


def accuracy(label: Floats, score: Floats) -> float:
    return float(((score >= 0.5) == (label == 1)).mean())


def calibration_error(label: Floats, score: Floats, bins: int = 10) -> float:
    """Mean gap of score and rate over bins of equal size (expected calibration error)."""
    order = np.argsort(score, kind="stable")
    parts = [(score[part], label[part]) for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(s.mean() - y.mean()) * len(s) for s, y in parts) / len(label))


METRICS: dict[str, Metric] = {
    "auc": auc,
    "log_loss": log_loss,
    "brier": brier,
    "accuracy": accuracy,
    "calibration_error": calibration_error,
}


def standard_error(name: str, label: Floats, score: Floats, group: npt.NDArray[np.int64]) -> float:
    """The larger of the error for independent rows and the jackknife over groups (days).

    Rows of a day share its weather and its traffic: independence alone would call an ordinary bad day significant.
    """
    rows = {
        "auc": auc_error,
        "log_loss": _mean_error(_log_losses),
        "brier": _mean_error(_squares),
        "accuracy": _mean_error(_hits),
    }
    independent = rows[name](label, score) if name in rows else 0.0
    return max(independent, _jackknife(METRICS[name], label, score, group))


def _jackknife(metric: Metric, label: Floats, score: Floats, group: npt.NDArray[np.int64]) -> float:
    """Delete one group at a time. 0 where fewer than three groups, or a rest of one class, leave nothing to say."""
    names = np.unique(group)
    if len(names) < 3:
        return 0.0
    rests = [group != name for name in names]
    if any(len(np.unique(label[rest])) < 2 for rest in rests):
        return 0.0
    values = np.array([metric(label[rest], score[rest]) for rest in rests])
    return float(np.sqrt((len(names) - 1) / len(names) * np.square(values - values.mean()).sum()))


def _mean_error(losses: Callable[[Floats, Floats], Floats]) -> Metric:
    return lambda label, score: float(losses(label, score).std(ddof=1) / np.sqrt(len(label)))


def _log_losses(label: Floats, score: Floats) -> Floats:
    p = np.clip(score, 1e-7, 1 - 1e-7)
    result: Floats = -(label * np.log(p) + (1 - label) * np.log(1 - p))
    return result


def _squares(label: Floats, score: Floats) -> Floats:
    result: Floats = np.square(score - label)
    return result


def _hits(label: Floats, score: Floats) -> Floats:
    result: Floats = ((score >= 0.5) == (label == 1)).astype(np.float64)
    return result


def _midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    result: Floats = (last - (counts - 1) / 2)[inverse]
    return result
