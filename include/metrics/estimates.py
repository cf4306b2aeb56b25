"""Metrics of a binary score, each with a standard error. NumPy only; arrays are float64 [n], labels 0 or 1."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from include.metrics.roc import midranks

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]

HIGHER_IS_BETTER = {
    "auc": True, "accuracy": True, "precision": True, "recall": True, "f1": True,
    "log_loss": False, "brier": False, "calibration_error": False,
}  # fmt: skip
THRESHOLD = 0.5  # a score from here on says yes
MEANS = ("log_loss", "brier", "accuracy")  # a mean over rows


def auc(label: Floats, score: Floats) -> float:
    """Chance that a positive scores above a negative, ties half. Needs both classes."""
    positives = label.sum()
    above = midranks(score)[label == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(label) - positives)))


def auc_error(label: Floats, score: Floats) -> float:
    """DeLong's standard error, by midranks (Sun, Xu 2014)."""
    x, y = score[label == 1], score[label == 0]
    ranks = midranks(np.concatenate([x, y]))
    v10 = (ranks[: len(x)] - midranks(x)) / len(y)
    v01 = 1 - (ranks[len(x) :] - midranks(y)) / len(x)
    return float(np.sqrt(v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y)))


def log_loss(label: Floats, score: Floats) -> float:
    return float(_log_losses(label, score).mean())


def brier(label: Floats, score: Floats) -> float:
    return float(np.square(score - label).mean())


def accuracy(label: Floats, score: Floats, threshold: float = THRESHOLD) -> float:
    return float(((score >= threshold) == (label == 1)).mean())


def precision(label: Floats, score: Floats, threshold: float = THRESHOLD) -> float:
    """Share of the yeses that come true; 0 where nothing was said yes to."""
    return _ratio(*_precision(label, score >= threshold))


def recall(label: Floats, score: Floats, threshold: float = THRESHOLD) -> float:
    """Share of the positives that were said yes to; 0 where there are none."""
    return _ratio(*_recall(label, score >= threshold))


def f1(label: Floats, score: Floats, threshold: float = THRESHOLD) -> float:
    """Harmonic mean of precision and recall."""
    return _ratio(*_f1(label, score >= threshold))


def calibration_error(label: Floats, score: Floats, bins: int = 10) -> float:
    """Mean gap of score and rate over bins of equal size (expected calibration error)."""
    order = np.argsort(score, kind="stable")
    parts = [(score[part], label[part]) for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(s.mean() - y.mean()) * len(s) for s, y in parts) / len(label))


def metrics(threshold: float = THRESHOLD) -> dict[str, Metric]:
    """Every metric by name, those of a decision at `threshold`."""
    decided = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}
    plain: dict[str, Metric] = {"auc": auc, "log_loss": log_loss, "brier": brier, "calibration_error": calibration_error}
    return plain | {name: partial(each, threshold=threshold) for name, each in decided.items()}


def metric_name(metric: str) -> str:
    """A metric as a sentence names it: `AUC`, `log loss`."""
    return metric.upper() if metric in ("auc", "f1") else metric.replace("_", " ")


def standard_error(name: str, label: Floats, score: Floats, group: npt.NDArray[np.int64], threshold: float = THRESHOLD) -> float:
    """The larger of the error for independent rows and the jackknife over groups (days).

    Rows of a day share its weather and its traffic: independence alone would call an ordinary bad day significant.
    """
    said = score >= threshold
    rows: dict[str, Callable[[], float]] = {
        "auc": lambda: auc_error(label, score),
        **{one: partial(_mean_error, name=one, rows=(label, score), threshold=threshold) for one in MEANS},
        "precision": lambda: _ratio_error(*_precision(label, said)),
        "recall": lambda: _ratio_error(*_recall(label, said)),
        "f1": lambda: _ratio_error(*_f1(label, said)),
    }
    independent = rows[name]() if name in rows else 0.0
    return max(independent, _jackknife(metrics(threshold)[name], label, score, group))


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


def losses(name: str, label: Floats, score: Floats, threshold: float = THRESHOLD) -> Floats:
    """What each row adds [n] to a metric of MEANS."""
    if name == "accuracy":
        hits: Floats = ((score >= threshold) == (label == 1)).astype(np.float64)
        return hits
    squares: Floats = np.square(score - label)
    return squares if name == "brier" else _log_losses(label, score)


def _mean_error(name: str, rows: tuple[Floats, Floats], threshold: float) -> float:
    return float(losses(name, *rows, threshold).std(ddof=1) / np.sqrt(len(rows[0])))


def _precision(label: Floats, said: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """What each row adds above and below the line of the ratio."""
    return said * label, said.astype(np.float64)


def _recall(label: Floats, said: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    return said * label, label


def _f1(label: Floats, said: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    return 2 * said * label, said + label


def _ratio(above: Floats, below: Floats) -> float:
    total = below.sum()
    return float(above.sum() / total) if total else 0.0


def _ratio_error(above: Floats, below: Floats) -> float:
    """Of a ratio of two sums, linearised (Cochran 1977, 6.3)."""
    total = below.sum()
    return float(np.sqrt(len(above)) * (above - _ratio(above, below) * below).std(ddof=1) / total) if total else 0.0


def _log_losses(label: Floats, score: Floats) -> Floats:
    p = np.clip(score, 1e-7, 1 - 1e-7)
    result: Floats = -(label * np.log(p) + (1 - label) * np.log(1 - p))
    return result
