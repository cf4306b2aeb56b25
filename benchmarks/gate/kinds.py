"""Worlds of the other kinds of problems for the gate's simulation: two models of known worth on the same rows.

Both say what is true plus noise of their own and noise that they share; `noise` is its standard deviation, and the one number
that makes a model better or worse. What a metric comes to at a noise is known beforehand, so that a challenger can be made that
is worse by the margin exactly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from include.core.spec import AnyKind, Evaluation, MultiClass, Ranking, Regression
from include.evaluation.gate import decide
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

Floats = npt.NDArray[np.float64]
DAYS = 28
ALIKE = 0.9  # of the noise's variance: what both models share
FITS = {"latency_ms": {"p99": 0.1}, "bytes": 1000}
NODES, HALVINGS = 5, 18  # of the integral over days, and of the search for a noise
KNOWN_BY = 200_000  # rows by which a metric is known beforehand, where no formula says it
SEED = 16


@dataclass(frozen=True)
class Drawn:
    """Rows, the outputs of champion and challenger, and the day [n] of each row."""

    truth: Truth
    champion: Outputs
    challenger: Outputs
    day: npt.NDArray[np.int64]


class World(ABC):
    """One kind of problem, judged by one metric of it."""

    name: str
    value: AnyKind
    metric: str
    noise = 0.6  # the champion's

    def __init__(self) -> None:
        # Of a spec that leaves the margin out: see include/core/spec/margins.py.
        margin = Evaluation.model_fields["margin"].default * self.value.unit_of_margins
        self.spec = Evaluation(metric=self.metric, minimum=None, margin=margin)

    @cached_property
    def problem(self) -> Problem:
        return problem_of(self.value)

    @abstractmethod
    def expected(self, noise: float) -> float:
        """The metric at a noise, over all rows that there could be."""

    @abstractmethod
    def drawn(self, units: int, noise: float, days: float, rng: np.random.Generator) -> Drawn:
        """`units` rows, or queries. `noise`: the challenger's; `days`: the share of its variance that a whole day has."""

    def over_days(self, noise: float, days: float) -> float:
        """The metric where the noise is another on every day: the mean over days, by Gauss and Hermite's rule."""
        if not days:
            return self.expected(noise)
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        found = [self.expected(noise * float(np.exp(np.sqrt(days) * node - days))) for node in nodes]
        return float(np.average(found, weights=weights))

    def noise_of(self, worse: float, days: float) -> float:
        """The challenger's noise at which the metric is worse by so much than the champion's."""
        metric, champion = self.problem.metric(self.metric), self.over_days(self.noise, days)
        low, high = 0.0, 4 * self.noise
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if metric.worse_by(self.over_days(middle, days), champion) < worse else (low, middle)
        return (low + high) / 2

    def evaluated(self, units: int, noise: float, days: float, rng: np.random.Generator) -> Mapping[str, Any]:
        """What the step `evaluate` would hand to the gate."""
        drawn = self.drawn(units, noise, days, rng)
        metric = self.problem.metric(self.metric)
        ours, theirs = (metric.measured(drawn.truth, outputs) for outputs in (drawn.challenger, drawn.champion))
        paired = self.problem.difference(self.metric, drawn.truth, drawn.challenger, drawn.champion, drawn.day)
        stated = {
            "problem": self.value.model_dump(mode="json"),
            "metrics": {self.metric: ours},
            "champion": {self.metric: theirs},
        }
        return {**stated, "paired": {**paired.to_json(), "slices": []}, **FITS}

    def opens(self, units: int, noise: float, days: float, rng: np.random.Generator) -> tuple[bool, bool]:
        """Whether the gate opens; whether a rule without a test would, by the metric alone."""
        value = self.evaluated(units, noise, days, rng)
        return decide(value, self.spec).passed, value["paired"]["worse"] <= self.spec.margin


class Numbers(World):
    """Labels with Student's tails of three degrees of freedom, whose variance is finite and nothing beyond."""

    name, metric = "regression, mean absolute error", "mae"
    value = Regression(scale=5.0, unit="minutes")

    def expected(self, noise: float) -> float:
        """E|t + noise z|, the folded normal's mean over the quantiles of t."""
        from scipy.special import ndtr

        t = stdtrit(3, (np.arange(200_000) + 0.5) / 200_000)
        if noise <= 0:
            return float(np.abs(t).mean())
        return float((noise * np.sqrt(2 / np.pi) * np.exp(-np.square(t / noise) / 2) + t * (1 - 2 * ndtr(-t / noise))).mean())

    def drawn(self, units: int, noise: float, days: float, rng: np.random.Generator) -> Drawn:
        day, signal = _days(units), rng.normal(size=units)
        champion, challenger = _noises((units,), (self.noise, noise), days, day, rng)
        truth = Truth(signal + rng.standard_t(3, units), day=day)
        return Drawn(truth, signal + champion, signal + challenger, day)


class Squares(Numbers):
    """The same rows by the root of squared errors, which tails move more."""

    name, metric = "regression, root mean squared error", "rmse"

    def expected(self, noise: float) -> float:
        return float(np.sqrt(3 + noise**2))  # the variance of t with three degrees of freedom is 3

    def over_days(self, noise: float, days: float) -> float:
        """Of all rows together, whose mean square is the same however it lies over the days."""
        return self.expected(noise)


class Sampled(World):
    """A metric that no formula says: it is known from one large draw, the same at every noise."""

    def expected(self, noise: float) -> float:
        outputs = self._said(self._large[1] * noise, self._large[0])
        return self.problem.metric(self.metric).measured(self._large[0], outputs)

    @cached_property
    def _large(self) -> tuple[Truth, Floats]:
        rng = np.random.default_rng(SEED)
        truth, shape = self._asked(self.known_by, rng)
        return truth, rng.normal(size=shape)

    known_by = KNOWN_BY
    _signal: Floats

    def drawn(self, units: int, noise: float, days: float, rng: np.random.Generator) -> Drawn:
        truth, shape = self._asked(units, rng)
        day = np.asarray(truth.day)
        champion, challenger = _noises(shape, (self.noise, noise), days, day, rng)
        return Drawn(truth, self._said(champion, truth), self._said(challenger, truth), day)

    @abstractmethod
    def _asked(self, units: int, rng: np.random.Generator) -> tuple[Truth, tuple[int, ...]]:
        """Rows with their labels, and the shape of the noise; keeps what a perfect model would say of them."""

    @abstractmethod
    def _said(self, noise: Floats, truth: Truth) -> Outputs:
        """A model's outputs of those rows."""


class Classes(Sampled):
    """Five classes, drawn by their probabilities."""

    name, metric = "five classes, log loss", "log_loss"
    value = MultiClass(classes=("a", "b", "c", "d", "e"))

    def _asked(self, units: int, rng: np.random.Generator) -> tuple[Truth, tuple[int, ...]]:
        logits = rng.normal(size=(units, 5)) + np.array([0.8, 0.4, 0.0, -0.4, -0.8])
        labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1).astype(np.float64)
        return Truth(labels, day=_days(units), costs={str(k): logits[:, k] for k in range(5)}), logits.shape

    def _said(self, noise: Floats, truth: Truth) -> Outputs:
        logits = np.column_stack([truth.costs[str(k)] for k in range(5)]) + noise
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = odds / odds.sum(axis=1, keepdims=True)
        return found


class Lists(Sampled):
    """Queries of twelve candidates with relevances from 0 to 3."""

    name, metric = "ranking, NDCG@10", "ndcg"
    value = Ranking(query="query", item="item", at=10)
    candidates = 12
    known_by = KNOWN_BY // 12

    def _asked(self, units: int, rng: np.random.Generator) -> tuple[Truth, tuple[int, ...]]:
        rows = units * self.candidates
        signal = rng.normal(size=rows)
        relevance = np.clip(np.round(signal + 0.5 * rng.normal(size=rows)), 0, 3)
        day = np.repeat(_days(units), self.candidates)
        return Truth(relevance, day=day, query=np.arange(rows) // self.candidates, costs={"signal": signal}), (rows,)

    def _said(self, noise: Floats, truth: Truth) -> Outputs:
        return truth.costs["signal"] + noise


WORLDS: tuple[type[World], ...] = (Numbers, Squares, Classes, Lists)


def _days(units: int) -> npt.NDArray[np.int64]:
    return (np.arange(units) * DAYS // units).astype(np.int64)


def _noises(
    shape: tuple[int, ...], noise: tuple[float, float], days: float, day: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Of champion and challenger: shared, their own, and how large it is on a day, which makes a model better or worse for it."""
    shared, own = rng.normal(size=shape), rng.normal(size=(2, *shape))
    swing = np.exp(np.sqrt(days) * rng.normal(size=(2, DAYS)) - days)  # its mean square is 1
    found = []
    for place in (0, 1):
        large = swing[place][day] if len(shape) == 1 else swing[place][day][:, None]
        found.append(noise[place] * large * (np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * own[place]))
    return found[0], found[1]
