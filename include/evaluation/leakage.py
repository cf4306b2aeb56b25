"""Inputs that predict the label too well, each alone: more often the answer itself than a discovery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.metrics.arrays import Values
from include.metrics.binary import auc
from include.model_contract.model import Floats
from include.step_values.evaluation import AloneValue

TOO_GOOD = 0.95  # no honest problem is solved to this AUC by one column
ROWS = 50_000  # no more rows are looked at, evenly spread


def leaking_inputs(
    names: Sequence[str], categories: Sequence[int], train: Floats, known: Values, rows: Floats, labels: Values
) -> list[AloneValue]:
    """`input` and `auc` on the holdout's encoded `rows` of each input that reaches TOO_GOOD alone, either way up.

    A missing value may stand below all others or above them. `categories`: the inputs that are codes, which are ranked by
    their share of positives among the training rows.
    """
    step = max(1, len(rows) // ROWS)
    held, truth = rows[::step], labels[::step]
    if len(np.unique(truth)) < 2:
        return []
    found: list[AloneValue] = []
    for place, name in enumerate(names):
        column: Values = held[:, place].astype(np.float64)
        if place in categories:
            column = _rates(train[:, place], known, held[:, place])
        value = _best(truth, column)
        if value >= TOO_GOOD:
            found.append({"input": name, "auc": round(value, 4)})
    return found


def _best(labels: Values, column: Values) -> float:
    """The best AUC of a column: rising or falling, what is missing at either end."""
    filled = (np.where(np.isnan(column), end, column) for end in (-np.inf, np.inf))
    found = [auc(labels, each) for each in filled]
    return max(max(each, 1 - each) for each in found)


def _rates(codes: Floats, known: Values, wanted: Floats) -> Values:
    """Each wanted code's share of positives among the training rows; the overall share for one that was not among them."""
    seen, place = np.unique(np.nan_to_num(codes, nan=-1), return_inverse=True)
    rates = np.bincount(place, known) / np.bincount(place)
    at = np.minimum(np.searchsorted(seen, filled := np.nan_to_num(wanted, nan=-1)), len(seen) - 1)
    shares: Values = np.where(seen[at] == filled, rates[at], known.mean())
    return shares


def warnings(found: Sequence[AloneValue]) -> list[str]:
    return [
        f"{each['input']} alone predicts the label with an AUC of {each['auc']:.3f}: see that it does not hold the answer "
        "(when it becomes known, and what makes it)."
        for each in found
    ]
