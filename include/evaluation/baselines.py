"""What the model has to beat: a boosted forest on the same rows, and a category's historical rate."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from include.metrics.arrays import Values
from include.model_contract.model import Floats

SMOOTHING = 20.0  # so many rows of the overall rate are mixed into a category's own


def boosted(train: Floats, labels: Values, holdout: Floats, categories: list[int], seed: int) -> NDArray[np.float64]:
    """Scores [n] of scikit-learn's HistGradientBoostingClassifier, default settings, fitted on `train`.

    `categories` are the columns that hold codes; those of more than 255 values stay numbers (its limit).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # takes a second to import
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    small = [column for column in categories if np.nanmax(train[:, column], initial=0) < 255]
    model = HistGradientBoostingClassifier(categorical_features=small or None, random_state=seed)
    with threadpool_limits(1):  # threads of OpenMP spin: on a busy machine two are many times slower than one
        scores: NDArray[np.float64] = model.fit(train, labels).predict_proba(holdout)[:, 1]
    return scores


def historical_rate(train: pa.Table, labels: Values, holdout: pa.Table, category: str) -> NDArray[np.float64]:
    """Scores [n]: the training rows' share of positives of the same category, smoothed to the overall share."""
    overall = float(labels.mean())
    values = np.array([str(value) for value in train[category].to_pylist()])
    rates = {
        value: (float(labels[values == value].sum()) + SMOOTHING * overall) / (int((values == value).sum()) + SMOOTHING)
        for value in np.unique(values)
    }
    return np.array([rates.get(str(value), overall) for value in holdout[category].to_pylist()])
