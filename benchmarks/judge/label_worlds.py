"""Losses of labelled answers by kind of problem: clients with several answers each, which are alike within a client.

A world draws losses [stages, clients, answers] of the champion's law. The judge sees nothing of that law but the losses of some
answers before the stage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from include.core.spec import AnyKind, Binary, Costs, MultiClass, Ranking, Regression
from include.problems.of import problem_of
from include.problems.problem import Problem

Floats = NDArray[np.float64]
Shape = tuple[int, int, int]  # stages, clients, answers


class World(ABC):
    """`name`: as the table shows it."""

    name: str
    value: ClassVar[AnyKind]

    @property
    def problem(self) -> Problem:
        return problem_of(self.value)

    @abstractmethod
    def losses(self, shape: Shape, rng: np.random.Generator) -> Floats:
        """[stages, clients, answers], 0 and more."""


@dataclass(frozen=True)
class Numbers(World):
    """Heavy tails: Student's t (at two degrees of freedom without a variance) or lognormal; clients differ in scale."""

    name: str
    freedom: float | None  # of Student's t; None: lognormal
    alike: float = 0.7  # standard deviation of the logarithm of a client's scale
    value = Regression(scale=1.0, unit="minutes")

    def losses(self, shape: Shape, rng: np.random.Generator) -> Floats:
        scale = np.exp(self.alike * rng.standard_normal(shape[:2]))[:, :, None]
        if self.freedom is None:
            return scale * np.exp(1.5 * rng.standard_normal(shape))
        return scale * np.abs(rng.standard_t(self.freedom, shape))


@dataclass(frozen=True)
class Classes(World):
    """Wrong decisions, at a rate that differs by client."""

    name: str = "classes"
    rate: float = 0.3
    alike: float = 4.0  # of the beta law of a client's rate: the smaller, the more clients differ
    value = MultiClass(classes=("1", "2", "3", "4", "5"))

    def losses(self, shape: Shape, rng: np.random.Generator) -> Floats:
        rate = rng.beta(self.alike * self.rate, self.alike * (1 - self.rate), shape[:2])[:, :, None]
        return (rng.random(shape) < rate).astype(np.float64)


@dataclass(frozen=True)
class Dear(World):
    """Costs of wrong decisions: a false alarm costs 5, a miss a lognormal amount."""

    name: str = "costs"
    rate: float = 0.15
    value = Binary(costs=Costs(false_positive=5.0, false_negative="amount"))

    def losses(self, shape: Shape, rng: np.random.Generator) -> Floats:
        wrong = rng.random(shape) < rng.beta(2 * self.rate, 2 * (1 - self.rate), shape[:2])[:, :, None]
        amount = np.exp(3.0 + 1.2 * rng.standard_normal(shape[:2])[:, :, None] + rng.standard_normal(shape))
        return np.where(wrong, np.where(rng.random(shape) < 0.5, 5.0, amount), 0.0)


@dataclass(frozen=True)
class RankedLists(World):
    """Clicked items of a client's lists, most in the first places; one below them is the event. Clients differ."""

    name: str = "rankings"
    value = Ranking(query="user", item="item", at=10)

    def losses(self, shape: Shape, rng: np.random.Generator) -> Floats:
        found = rng.beta(3.0, 7.0, shape[:2])[:, :, None]  # the chance that a client stops at each place
        place = rng.geometric(np.clip(found, 0.02, 1), shape) - 1
        return (place >= 10).astype(np.float64)


WORLDS: tuple[World, ...] = (
    Numbers("t(2)", 2.0),
    Numbers("t(3)", 3.0),
    Numbers("lognormal", None),
    Numbers("t(2), clients alike", 2.0, alike=0.0),
    Dear(),
    Classes(),
    RankedLists(),
)
