"""Simulated experiments: what each entity brings. An arm is a row a simulated experiment, its entities in the order they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.experiments.moments import Moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Entities:
    """Arrays of [experiments, entities]: see include/experiments/moments.py."""

    value: Floats
    weight: Floats
    before: Floats

    def looks(self, every: int) -> Moments:
        """The moments of the first `every` entities, of twice as many, and so on: one look a day."""
        n = np.arange(every, self.value.shape[1] + 1, every, dtype=np.float64)
        at = n.astype(int) - 1

        def total(values: Floats) -> Floats:
            return np.asarray(np.cumsum(values, axis=1)[:, at])

        columns = (self.value, self.weight, self.before)
        means = [total(each) / n for each in columns]
        pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
        products = [total(columns[one] * columns[two]) - n * means[one] * means[two] for one, two in pairs]
        return Moments(np.broadcast_to(n, means[0].shape), *means, *products)


Draw = Callable[[np.random.Generator, tuple[int, int], float], Entities]
"""Of entities whose metric is higher by the last argument than the control's."""


def binary(rate: float) -> Draw:
    def draw(rng: np.random.Generator, shape: tuple[int, int], more: float) -> Entities:
        return _plain((rng.random(shape) < rate + more).astype(np.float64))

    return draw


def heavy(rng: np.random.Generator, shape: tuple[int, int], more: float) -> Entities:
    """Revenue: four in five buy nothing, the others' sums are lognormal with a sigma of 2, cut at a limit stated beforehand."""
    cut = np.exp(2 * 2.576)  # near the quantile .999 of all entities
    return _plain(np.minimum(rng.lognormal(0.0, 2.0, shape), cut) * (rng.random(shape) < 0.2) + more)


def clustered(rng: np.random.Generator, shape: tuple[int, int], more: float) -> Entities:
    """Requests that end well, of entities that make five on average, each with a habit of its own."""
    requests = rng.geometric(0.2, shape)
    habit = np.clip(rng.beta(1, 4, shape) + more, 0, 1)
    return Entities(rng.binomial(requests, habit).astype(np.float64), requests.astype(np.float64), np.zeros(shape))


def correlated(correlation: float) -> Draw:
    """A metric, and the same of the time before."""

    def draw(rng: np.random.Generator, shape: tuple[int, int], more: float) -> Entities:
        before = rng.standard_normal(shape)
        value = correlation * before + np.sqrt(1 - correlation**2) * rng.standard_normal(shape)
        return Entities(value + more, np.ones(shape), before)

    return draw


def _plain(value: Floats) -> Entities:
    return Entities(value, np.ones_like(value), np.zeros_like(value))
