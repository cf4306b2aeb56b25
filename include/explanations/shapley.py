"""Shapley values of a row's features against a background: what each adds to the answer, over all orders of telling them.

A coalition of features is worth the mean answer where the others are those of background rows (Lundberg, Lee 2017;
interventional, as the library shap's `Independent` masker has it). With all coalitions the values are exact; else they are means
along permutations, there and back (shap's PermutationExplainer). Either way they add up to the answer less the background's mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Literal

import numpy as np

from include.explanations.layout import AT_ONCE, Layout, Score, scored
from include.metrics.arrays import Bools, Floats
from include.model_contract.batch import Encoded

Method = Literal["exact", "permutations"]
Worth = Callable[[Bools], Floats]
"""Coalitions [c, features] to what each is worth [c, outputs]."""


@dataclass(frozen=True)
class Shares:
    """`values` [features, outputs] add up to `answer` less `base`, each [outputs]. `coalitions`: how many were asked about."""

    values: Floats
    base: Floats
    answer: Floats
    method: Method
    coalitions: int


def method_of(features: int, coalitions: int) -> Method:
    """How so many features are explained with at most so many coalitions."""
    return "exact" if features < 32 and 2**features <= coalitions else "permutations"


def asked_of(features: int, coalitions: int) -> int:
    """How many coalitions are asked about: no fewer than one permutation has."""
    if method_of(features, coalitions) == "exact":
        return 1 << features
    return max(coalitions // (2 * features + 1), 1) * (2 * features + 1)


def shapley(
    layout: Layout, score: Score, own: Encoded, background: Encoded, coalitions: int, seed: int, at_once: int = AT_ONCE
) -> Shares:
    """Of one row, so many composed rows at a time. Raises DataError where the model cannot score what is put together."""

    def worth(known: Bools) -> Floats:
        each = max(at_once // len(background), 1)
        parts = []
        for start in range(0, len(known), each):
            some = known[start : start + each]
            outputs = scored(score, layout.composed(own, background, some))
            parts.append(outputs.reshape(len(some), len(background), -1).mean(axis=1))
        return np.concatenate(parts)

    features = len(layout)
    if method_of(features, coalitions) == "exact":
        return _exact(worth, features)
    return _along_permutations(worth, features, asked_of(features, coalitions), np.random.RandomState(seed))


def _exact(worth: Worth, features: int) -> Shares:
    numbers = np.arange(2**features)
    known = (numbers[:, None] >> np.arange(features) & 1).astype(np.bool_)
    found, size = worth(known), known.sum(axis=1)
    weight = np.array([factorial(s) * factorial(features - s - 1) / factorial(features) for s in range(features)])
    values = np.empty((features, found.shape[1]))
    for place in range(features):
        without = numbers[~known[:, place]]
        values[place] = weight[size[without]] @ (found[without | 1 << place] - found[without])
    return Shares(values, found[0], found[-1], "exact", len(numbers))


def _along_permutations(worth: Worth, features: int, coalitions: int, draw: np.random.RandomState) -> Shares:
    """The library's own order of draws, so that equal seeds give equal values."""
    order, values, times = np.arange(features), np.zeros(0), coalitions // (2 * features + 1)
    base = answer = np.zeros(0)
    for _ in range(times):
        draw.shuffle(order)
        # There, and back in the same order of features: the second half takes away what the first gave.
        place = np.empty(features, np.int64)
        place[order] = np.arange(features)
        step = np.arange(2 * features + 1)[:, None]
        known = (place < step) & (place >= step - features)
        found = worth(known)
        moved = np.diff(found, axis=0)
        added = np.empty((features, found.shape[1]))
        added[order] = moved[:features] - moved[features:]
        values = added if not values.size else values + added
        base, answer = found[0], found[features]
    return Shares(values / (2 * times), base, answer, "permutations", coalitions)
