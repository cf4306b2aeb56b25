"""Precision and recall at the highest scores of each day: somebody looks at so many alerts, whatever the scores are."""

from __future__ import annotations

import numpy as np

from include.core.errors import DataError
from include.metrics.arrays import Floats, Groups
from include.problems.metric import Ratio
from include.problems.truth import Outputs, Truth


def alerted(scores: Outputs, day: Groups, alerts: int) -> Floats:
    """1 for the rows [n] that are among the `alerts` highest of their day, else 0; of equal scores the earlier rows."""
    order = np.lexsort((np.arange(len(scores)), -scores.astype(np.float64), day))
    _, first, counts = np.unique(day[order], return_index=True, return_counts=True)
    rank = np.arange(len(scores)) - np.repeat(first, counts)
    said = np.zeros(len(scores))
    said[order[rank < alerts]] = 1.0
    return said


def said_at(alerts: int) -> Ratio:
    """Of the alerts, how many were right."""

    def ratio(truth: Truth, outputs: Outputs) -> tuple[Floats, Floats]:
        said = alerted(outputs, _day(truth), alerts)
        return said * truth.labels, said

    return ratio


def recall_at(alerts: int) -> Ratio:
    """Of the positives, how many were among the alerts."""

    def ratio(truth: Truth, outputs: Outputs) -> tuple[Floats, Floats]:
        return alerted(outputs, _day(truth), alerts) * truth.labels, truth.labels

    return ratio


def _day(truth: Truth) -> Groups:
    if truth.day is None:
        raise DataError("Alerts are counted by day, and these rows have no time.", hint="keep the column event_timestamp.")
    return truth.day
