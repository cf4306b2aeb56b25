"""Inputs that predict the label too well, each alone: more often the answer itself than a discovery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.metrics.arrays import Bools, Floats, Groups, Values
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.evaluation import AloneValue

ROWS = 50_000  # no more rows are looked at, evenly spread


def leaking_inputs(
    names: Sequence[str],
    categories: Sequence[int],
    train: Values,
    known: Truth,
    rows: Values,
    truth: Truth,
    problem: Problem,
) -> list[AloneValue]:
    """Each input that reaches the problem's `alone_limit` alone on the holdout's encoded `rows`, either way up.

    A missing value may stand below all others or above them. `categories`: the inputs that are codes, which are ranked by the
    mean label of their training rows; of classes by the share of each.
    """
    chosen = _spread(truth)
    held, seen = rows[chosen], truth.take(chosen)
    if len(np.unique(seen.labels)) < 2:
        return []
    found: list[AloneValue] = []
    sides = _sides(problem, known, seen)
    for place, name in enumerate(names):
        columns = (
            (_rates(train[:, place], before, held[:, place]) if place in categories else held[:, place].astype(np.float64), side)
            for before, side in sides
        )
        strength = max((_best(problem, seen, side, column) for column, side in columns), default=0.0)
        if strength >= problem.alone_limit:
            found.append(_alone(problem, name, round(strength, 4)))
    return found


def _spread(truth: Truth) -> Bools | Groups:
    """Which rows are looked at: every so many, or all rows of every so many lists."""
    step = max(1, len(truth) // ROWS)
    if truth.query is not None:
        chosen: Bools = truth.query % step == 0
        return chosen
    return np.arange(0, len(truth), step)


def _sides(problem: Problem, known: Truth, seen: Truth) -> list[tuple[Floats, Floats]]:
    """What may be predicted, of the training rows and of those that are held out, both in the same order."""
    both = Truth(np.concatenate([known.labels, seen.labels]))
    return [(side[: len(known)], side[len(known) :]) for side in problem.sides(both) if len(np.unique(side[len(known) :])) > 1]


def _best(problem: Problem, truth: Truth, side: Floats, column: Floats) -> float:
    """The best strength of a column: rising or falling, what is missing at either end. 0 where it is not defined."""
    missing = np.isnan(column)
    ends = (-np.inf, np.inf) if missing.any() else (0.0,)
    found = [problem.strength(truth, side, np.where(missing, end, column)) for end in ends]
    return max((each for each in found if each == each), default=0.0)


def _rates(codes: Values, known: Floats, wanted: Values) -> Floats:
    """Each wanted code's mean label among the training rows; the overall mean for one that was not among them."""
    seen, place = np.unique(np.nan_to_num(codes, nan=-1), return_inverse=True)
    rates = np.bincount(place, known) / np.bincount(place)
    at = np.minimum(np.searchsorted(seen, filled := np.nan_to_num(wanted, nan=-1)), len(seen) - 1)
    shares: Floats = np.where(seen[at] == filled, rates[at], known.mean())
    return shares


def _alone(problem: Problem, name: str, strength: float) -> AloneValue:
    if problem.alone_words == "an AUC":
        return {"input": name, "auc": strength}
    return {"input": name, "strength": strength, "words": problem.alone_words}


def warnings(found: Sequence[AloneValue]) -> list[str]:
    return [
        f"{each['input']} alone predicts the label with {each.get('words', 'an AUC')} of "
        f"{each.get('auc', each.get('strength')):.3f}: see that it does not hold the answer (when it becomes known, and what "
        "makes it)."
        for each in found
    ]
