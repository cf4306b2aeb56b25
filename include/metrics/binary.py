"""The metrics of a binary score: one table, and one definition of each. Evaluation, the gate and monitoring all use it.

Labels are 0 or 1 [n], scores are probabilities [n] of float32 or float64. What is decided at a threshold is decided as the
gateway does it: in float64, and a score that reaches the threshold says yes. Each metric equals scikit-learn's (a test
holds it). Most metrics are a ratio of two sums over rows; the AUC and the calibration error are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from include.metrics.arrays import Floats, Values
from include.metrics.calibration import gaps
from include.metrics.ranks import midranks

EPSILON = 1e-7  # scores are float32: closer to 0 or 1 than this they say nothing

# Of labels, scores and threshold: what each row [n] adds above and below the line of the ratio.
Ratio = Callable[[Floats, Floats, float], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Metric:
    """`title`: as a sentence names it. `uses_threshold`: values at two thresholds are two different things.

    `ratio` is None for a metric that is no ratio of two sums.
    """

    title: str
    higher_is_better: bool = True
    uses_threshold: bool = False
    ratio: Ratio | None = None


def _log_loss(labels: Floats, scores: Floats, _: float) -> tuple[Floats, Floats]:
    p = np.clip(scores, EPSILON, 1 - EPSILON)
    return -np.where(labels > 0.5, np.log(p), np.log1p(-p)), np.ones_like(p)


def _brier(labels: Floats, scores: Floats, _: float) -> tuple[Floats, Floats]:
    return np.square(scores - labels), np.ones_like(scores)


def _accuracy(labels: Floats, scores: Floats, threshold: float) -> tuple[Floats, Floats]:
    right = (scores >= threshold) == (labels > 0.5)
    return right.astype(np.float64), np.ones_like(scores)


def _precision(labels: Floats, scores: Floats, threshold: float) -> tuple[Floats, Floats]:
    said = (scores >= threshold).astype(np.float64)
    return said * labels, said


def _recall(labels: Floats, scores: Floats, threshold: float) -> tuple[Floats, Floats]:
    return (scores >= threshold) * labels, labels


def _f1(labels: Floats, scores: Floats, threshold: float) -> tuple[Floats, Floats]:
    said = (scores >= threshold).astype(np.float64)
    return 2 * said * labels, said + labels


METRICS: dict[str, Metric] = {
    "auc": Metric("AUC"),
    "log_loss": Metric("log loss", higher_is_better=False, ratio=_log_loss),
    "brier": Metric("Brier", higher_is_better=False, ratio=_brier),
    "ece": Metric("calibration error", higher_is_better=False),
    "accuracy": Metric("accuracy", uses_threshold=True, ratio=_accuracy),
    "precision": Metric("precision", uses_threshold=True, ratio=_precision),
    "recall": Metric("recall", uses_threshold=True, ratio=_recall),
    "f1": Metric("F1", uses_threshold=True, ratio=_f1),
}
WITHOUT_THRESHOLD = tuple(name for name, metric in METRICS.items() if not metric.uses_threshold)


def value(name: str, labels: Values, scores: Values, threshold: float) -> float:
    """One metric. NaN where it is not defined: without rows, or an AUC without both classes."""
    truth, score = labels.astype(np.float64), scores.astype(np.float64)
    if not len(truth):
        return math.nan
    if name == "auc":
        return auc(truth, score)
    ratio = METRICS[name].ratio
    return float(gaps(truth, score).mean()) if ratio is None else share(*ratio(truth, score, threshold))


def measure(labels: Values, scores: Values, threshold: float | None) -> dict[str, float | None]:
    """Every metric by name, to six digits; None where one is not defined for these rows.

    Without a threshold the metrics of a decision are left out.
    """
    names = WITHOUT_THRESHOLD if threshold is None else tuple(METRICS)
    found = {name: value(name, labels, scores, threshold or 0.0) for name in names}
    return {name: round(each, 6) if math.isfinite(each) else None for name, each in found.items()}


def auc(labels: Values, scores: Values) -> float:
    """The chance that a positive scores above a negative, ties half (Mann-Whitney U). NaN unless both classes are there."""
    positive = labels > 0.5
    n, p = len(labels), int(positive.sum())
    if p in (0, n):
        return math.nan
    return float((midranks(scores)[positive].sum() - p * (p + 1) / 2) / (p * (n - p)))


def log_loss(labels: Values, scores: Values) -> float:
    """Mean negative log likelihood, natural logarithm. NaN without rows."""
    return value("log_loss", labels, scores, 0.0)


def share(above: Floats, below: Floats) -> float:
    """The ratio of two sums; 0 where there is nothing to divide by: a model that never says yes has a precision of 0."""
    total = below.sum()
    return float(above.sum() / total) if total else 0.0


def title(name: str) -> str:
    """A metric as a sentence names it: `AUC`, `log loss`. One that is not in the table is named as it is."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def worse_by(name: str, value: float, than: float) -> float:
    """By how much `value` is the worse one, in the metric's own unit; negative if it is better."""
    return than - value if METRICS[name].higher_is_better else value - than
