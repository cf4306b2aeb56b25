"""Random rows of each kind of problem, and a check that an influence is the derivative by a row's weight."""

from __future__ import annotations

import numpy as np

from include.core.spec import Binary, Costs, MultiClass, Ranking, Regression
from include.problems.metric import Metric
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

ROWS = 240
KINDS = {
    "binary": Binary(alerts=3, costs=Costs(false_positive=2.0, false_negative="amount")),
    "regression": Regression(scale=1.0, interval=0.8),
    "multiclass": MultiClass(classes=("a", "b", "c"), costs=((0, 1, 4), (1, 0, 2), (3, 1, 0))),
    "ranking": Ranking(query="query", item="item", at=3),
}


def drawn(kind: str, seed: int = 1, rows: int = ROWS) -> tuple[Problem, Truth, Outputs]:
    """A problem, labels of rows and a model's outputs of them, which have something to do with each other."""
    rng = np.random.default_rng(seed)
    signal, problem = rng.normal(size=rows), problem_of(KINDS[kind])
    day, query = rng.integers(0, 9, rows), rng.integers(0, rows // 6, rows)
    if kind == "binary":
        labels = (signal + rng.normal(size=rows) > 0.8).astype(np.float64)
        outputs: Outputs = np.round(1 / (1 + np.exp(-signal)), 2)  # rounded, so that some are equal
        return problem, Truth(labels, day=day, costs={"amount": rng.gamma(2.0, 10.0, rows)}), outputs
    if kind == "regression":
        width = rng.uniform(0.5, 2, rows)
        return problem, Truth(signal + rng.normal(size=rows), day=day), np.column_stack([signal, signal - width, signal + width])
    if kind == "multiclass":
        logits = rng.normal(size=(rows, 3))
        odds = np.exp(logits)
        labels = (logits + rng.gumbel(size=(rows, 3))).argmax(axis=1).astype(np.float64)
        return problem, Truth(labels, day=day), odds / odds.sum(axis=1, keepdims=True)
    relevance = np.maximum(0, np.round(signal + rng.normal(size=rows))).clip(0, 3)
    return problem, Truth(relevance, day=day, query=query), np.round(signal, 1)


def slope(metric: Metric, truth: Truth, outputs: Outputs, row: int) -> float:
    """By how much the metric moves with a row's weight, by differences."""
    step, found = 1e-5, []
    for sign in (1, -1):
        weight = np.ones(len(truth))
        weight[row] += sign * step
        moved = Truth(truth.labels, weight, truth.day, truth.query, truth.costs)
        found.append(metric.influence(moved, outputs).value)
    return (found[0] - found[1]) / (2 * step)
