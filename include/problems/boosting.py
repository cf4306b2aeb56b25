"""scikit-learn's gradient boosting on the same encoded rows, with its default settings: what a model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from include.metrics.arrays import Values
from include.problems.truth import Truth

LARGEST_CATEGORY = 255  # scikit-learn's limit of codes


def boosted_classes(train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> npt.NDArray[np.float64]:
    """Probabilities [n, k] of the classes that the training rows have, in their order."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # takes a second to import

    model = HistGradientBoostingClassifier(categorical_features=_small(train, categories), random_state=seed)
    found: npt.NDArray[np.float64] = _fitted(model, train, truth).predict_proba(holdout)
    return found


def boosted_numbers(
    train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int, quantile: float | None = None
) -> npt.NDArray[np.float64]:
    """Values [n]: the median, or another quantile of the label."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    loss: dict[str, Any] = {"loss": "absolute_error"} if quantile is None else {"loss": "quantile", "quantile": quantile}
    model = HistGradientBoostingRegressor(**loss, categorical_features=_small(train, categories), random_state=seed)
    found: npt.NDArray[np.float64] = _fitted(model, train, truth).predict(holdout)
    return found


def _small(train: Values, categories: list[int]) -> list[int] | None:
    """Codes of few enough values; others stay numbers."""
    return [column for column in categories if np.nanmax(train[:, column], initial=0) < LARGEST_CATEGORY] or None


def _fitted(model: Any, train: Values, truth: Truth) -> Any:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # threads of OpenMP spin: on a busy machine two are many times slower than one
        return model.fit(train, truth.labels, sample_weight=truth.weight)
