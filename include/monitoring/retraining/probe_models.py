"""The cheap models of the staleness probe: linear ones, of each kind of problem.

They need not be good, only as good at every age: what is asked of them is how much an older one loses against a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from include.metrics.arrays import Floats
from include.monitoring.retraining.policy_replay import logistic
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

MOST_ROWS = 20_000  # a probe model is fitted on no more rows, evenly spaced, so that it is cheap
FEWEST = 20  # with fewer rows of a class, or fewer lists, nothing is fitted

Probe = Callable[[Floats], Outputs]
"""Outputs for encoded rows [n, inputs]."""


def fitted(problem: Problem, rows: Floats, truth: Truth) -> Probe | None:
    """A model of these rows [n, inputs]; None where there is too little to learn from."""
    if problem.too_few(truth, FEWEST):
        return None
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    step = -(-len(truth) // MOST_ROWS)
    some, known = rows[::step], truth.labels[::step]
    with threadpool_limits(1):
        if problem.sql_type == "DOUBLE":
            return _numbers(problem, linear().fit(some, known), some, known)
        return _classes(problem, logistic().fit(some, known))


def linear() -> Any:
    """Means for missing values, unit variances, L2."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), Ridge())


def _numbers(problem: Problem, model: Any, rows: Floats, known: Floats) -> Probe:
    """Of an interval its ends lie where those of the residuals do."""
    low, high = np.quantile(known - model.predict(rows), [0.05, 0.95])

    def outputs(asked: Floats) -> Outputs:
        value: Floats = model.predict(asked)
        if len(problem.outputs) == 1:
            return value
        return np.column_stack([value, value + min(low, 0.0), value + max(high, 0.0)])

    return outputs


def _classes(problem: Problem, model: Any) -> Probe:
    """Classes that the rows did not have get nothing."""
    places = model.classes_.astype(np.int64)

    def outputs(asked: Floats) -> Outputs:
        found: Floats = model.predict_proba(asked)
        if len(problem.outputs) == 1:
            return found[:, 1]
        every = np.zeros((len(asked), len(problem.outputs)))
        every[:, places] = found
        return every

    return outputs
