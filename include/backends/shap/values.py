"""Shapley values by the library shap: its exact explainer where there are few features, else its permutation explainer.

A cell that the library is given is no value but the number of the row that it comes from. So a category, a vector and a text are
one feature each, whatever the model takes, and its `Independent` masker works on all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from include.metrics.arrays import Floats, Groups


def shapley_values(
    score: Callable[[Groups], Floats], background: int, rows: int, features: int, coalitions: int, *, exact: bool, seed: int
) -> Callable[[int, int], tuple[Floats, Floats]]:
    """What gives the values [n, features, outputs] and base values [outputs] of rows [start, stop).

    :param score: outputs [n] or [n, k] for numbers of rows [n, features]; the background's are first, then those to explain
    """
    from shap.explainers import ExactExplainer, PermutationExplainer
    from shap.maskers import Independent

    known = np.repeat(np.arange(background, dtype=np.float64)[:, None], features, axis=1)
    masker = Independent(known, max_samples=background)

    def model(cells: Floats) -> Floats:
        return score(cells.astype(np.int64))

    before = np.random.get_state()  # the explainer seeds NumPy's own generator, which is not ours to change
    explainer = ExactExplainer(model, masker) if exact else PermutationExplainer(model, masker, seed=seed)
    drawn = [np.random.get_state()]
    np.random.set_state(before)

    def values(start: int, stop: int) -> tuple[Floats, Floats]:
        cells = np.repeat(np.arange(start, min(stop, rows), dtype=np.float64)[:, None] + background, features, axis=1)
        outside = np.random.get_state()
        np.random.set_state(drawn[0])
        try:
            found = explainer(cells, max_evals=coalitions, silent=True)
        finally:
            drawn[0] = np.random.get_state()
            np.random.set_state(outside)
        shares, base = np.asarray(found.values, np.float64), np.asarray(found.base_values, np.float64)
        if shares.ndim == 2:
            shares, base = shares[:, :, None], base[:, None]
        return shares, base[0]

    return values
