"""Permutation importance: by how much the gate's metric gets worse on the holdout when a feature says what other rows say.

Breiman 2001; the permutations are those of `sklearn.inspection.permutation_importance` with `random_state=seed`, so that the two
can be held against each other. The interval is over the holdout's rows or days, whichever differ more, and over the permutations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from include.core.spec import Explanations
from include.explanations.layout import Layout, Score, scored
from include.metrics.arrays import Floats, Groups
from include.metrics.errors import Influence
from include.model_contract.batch import Encoded
from include.problems.problem import Problem
from include.problems.truth import Truth

LARGEST = np.iinfo(np.int32).max
WIDTH = 1.96  # standard errors, of an interval of 95 %


@dataclass(frozen=True)
class Importance:
    """`worse`: the mean over the permutations, in units of the metric; `error` NaN where the rows tell none."""

    feature: str
    worse: float
    error: float

    @property
    def low(self) -> float:
        return self.worse - WIDTH * self.error

    @property
    def high(self) -> float:
        return self.worse + WIDTH * self.error


def importances(
    layout: Layout, score: Score, rows: Encoded, truth: Truth, problem: Problem, metric: str, asked: Explanations
) -> Iterator[Importance]:
    """Of each feature in turn, so that a caller may stop. `rows` and `truth` [n]."""
    own, every = np.arange(len(rows)), np.repeat(np.arange(len(rows))[:, None], len(layout), axis=1)
    outputs = scored(score, rows)
    before, measured = problem.influence(metric, truth, outputs), problem.metric(metric)
    value = measured.measured(truth, outputs)
    seed = np.random.RandomState(asked.seed).randint(LARGEST + 1)
    for place, name in enumerate(layout.names):
        draw, order, now = np.random.RandomState(seed), own.copy(), own.copy()
        worse, moved = [], np.zeros(len(rows))
        for _ in range(asked.repeats):
            draw.shuffle(order)
            now = now[order]  # each shuffles what the one before left, as scikit-learn does
            mixed = every.copy()
            mixed[:, place] = now
            said = scored(score, layout.gathered(rows, mixed))
            worse.append(measured.worse_by(measured.measured(truth, said), value))
            moved += problem.influence(metric, truth, said).rows - before.rows
        error = _error(Influence(0.0, moved / asked.repeats, before.positive), truth.day, worse)
        yield Importance(name, float(np.mean(worse)), error)


def _error(moved: Influence, days: Groups | None, worse: list[float]) -> float:
    """Of the mean over the permutations: the rows it was measured on, and the permutations themselves."""
    by_rows = moved.row_error() if days is None else moved.error(days)
    by_permutations = float(np.std(worse, ddof=1)) / math.sqrt(len(worse))
    return math.hypot(by_rows, by_permutations)


def chosen_rows(truth: Truth, most: int, seed: int) -> Groups:
    """Places of at most so many rows; of a ranking whole lists, drawn until their rows are so many."""
    draw, rows = np.random.default_rng(seed), len(truth)
    if rows <= most:
        return np.arange(rows)
    if truth.query is None:
        return np.sort(draw.choice(rows, most, replace=False))
    lists, sizes = np.unique(truth.query, return_counts=True)
    order = draw.permutation(len(lists))
    taken = lists[order[: max(int(np.searchsorted(np.cumsum(sizes[order]), most, "right")), 1)]]
    return np.flatnonzero(np.isin(truth.query, taken))


def bounded(value: Floats | float) -> float | None:
    """As JSON has it: there is no NaN."""
    number = float(value)
    return round(number, 9) if math.isfinite(number) else None
