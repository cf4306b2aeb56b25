"""What the model has to beat: a boosted forest on the same rows, and what a category's rows were before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from include.metrics.arrays import Values
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

MOST_OUTPUTS = 50  # a forest has as many trees a round as there are classes


def boosted(problem: Problem, train: Values, known: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs | None:
    """Outputs [n] or [n, k] of scikit-learn's gradient boosting, default settings, fitted on the encoded rows `train`.

    `categories` are the columns that hold codes. None where it would take longer than the training: many classes.
    """
    if len(problem.outputs) > MOST_OUTPUTS:
        return None
    return problem.boosted(train, known, holdout, categories, seed)


def historical(problem: Problem, train: pa.Table, known: Truth, holdout: pa.Table, category: str) -> Outputs:
    """Outputs [n] or [n, k]: what the training rows of the same category were on the average."""
    groups, wanted = ([str(value) for value in table[category].to_pylist()] for table in (train, holdout))
    found: Outputs = np.asarray(problem.historical(known, groups, wanted))
    return found
