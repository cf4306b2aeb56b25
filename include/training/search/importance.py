"""Which parameters mattered: the share of the differences between trials that goes with each of them alone.

The first-order term of functional ANOVA (Hutter, Hoos, Leyton-Brown 2014), of groups of trials in place of a forest: epsilon
squared (Kelley 1935), which is about zero for a parameter that does nothing, however few trials there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.step_values.training import TuneValue

FEWEST = 8  # trials that say something
GROUPS = 4


def importance(value: TuneValue, names: Sequence[str]) -> dict[str, float]:
    """Shares from 0 to 1 by parameter, the largest first. Empty of too few trials."""
    first = [(trial, trial["legs"][0]["value"]) for trial in value["trials"] if trial["legs"] and "value" in trial["legs"][0]]
    if len(first) < FEWEST:
        return {}
    ranks = np.argsort(np.argsort([found for _, found in first])).astype(np.float64)  # one trial that diverged is one place
    shares = {name: _share(_groups([started(trial).get(name) for trial, _ in first]), ranks) for name in names}
    return dict(sorted(shares.items(), key=lambda each: (-each[1], each[0])))


def started(trial: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a trial began with."""
    return {**trial["params"], **trial["legs"][0].get("params", {})}


def _groups(values: Sequence[Any]) -> NDArray[np.intp]:
    """Trials of like values: numbers in groups of about the same size, all else by value."""
    known = list(dict.fromkeys(map(repr, values)))
    numeric = all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
    if len(known) <= GROUPS or not numeric:
        return np.array([known.index(repr(each)) for each in values])
    numbers = np.array(values, dtype=np.float64)
    edges = np.quantile(numbers, np.linspace(0, 1, GROUPS + 1)[1:-1])
    return np.searchsorted(edges, numbers, side="right")


def _share(groups: NDArray[np.intp], ranks: NDArray[np.float64]) -> float:
    kinds = np.unique(groups)
    whole = float(((ranks - ranks.mean()) ** 2).sum())
    if len(kinds) < 2 or len(ranks) <= len(kinds) or not whole:
        return 0.0
    within = sum(float(((ranks[groups == kind] - ranks[groups == kind].mean()) ** 2).sum()) for kind in kinds)
    noise = within / (len(ranks) - len(kinds))
    return float(np.clip((whole - within - (len(kinds) - 1) * noise) / whole, 0.0, 1.0))
