"""The exact alpha-spending boundary: how many hits among n trials are too many, however often one looks.

Under the null each trial hits with a known probability p, independently. A stage is cut into slices of its
planned requests. At the end of each slice the law of the running count, given how many trials each slice
brought, is walked forward exactly, and the boundary is the smallest count whose crossing keeps the
probability of *ever* having crossed under alpha * spent(t), t being the share of the plan that is over.
What crosses is absorbed. So the error is at most alpha whenever and however often the boundary is read.

Two uses. *Relative*: a trial is an event (an error, a slow answer) on either arm, a hit is one on the
challenger, p is its share of the entities. Conditioning on the events of both arms makes an incident that
hits both invisible. *Absolute*: a trial is an entity, a hit is an error of its first request, p is the rate
still accepted. So that what begins late is seen, entities are observed anew in each doubling of the stage
after its plan (a period), and the walk starts anew with what the period may spend: an entity's requests may be as
alike as they please, each walk has one of each, and the periods' levels add up to alpha.

Spending by the stage's own clock (requests of both arms) and not by the number of events needs no guess of
the error rate. It is valid because under the null the clock and the totals say nothing of the arms.

Sources: Lan and DeMets (1983), alpha spending, by calendar time in their (1989); Lindon, Sanden and
Shirikian (2022), sequential tests for deployments at Netflix; docs/rollout.md has the mathematics.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLICES = 200  # in the planned length of a stage
OCTAVE = 100  # in each doubling of it: a stage that waits is never blind, and its evidence stays small
POWER = 1.25  # of time in the spending: between linear (early detection) and quadratic (power at the end)
KEPT = 0.05  # of alpha, for the time after the plan
NEGLIGIBLE = 1e-13  # probability that the arithmetic leaves out, each slice
BLOCK = 256  # walks computed side by side: as many as the processor's cache holds


def spent(time: Floats) -> Floats:
    """The share of alpha that may be spent by each time (1 is the planned end). Rises from 0 towards 1."""
    late: Floats = (1 - KEPT) * np.minimum(1.0, time) ** POWER + KEPT * (1 - 1 / np.maximum(1.0, time))
    return late


def slice_of(requests: int, planned: int) -> int:
    """The slice that is running when so many requests are over: as many slices are complete."""
    if requests < planned:
        return requests * SLICES // planned
    doublings = (requests // planned).bit_length() - 1
    begun = planned << doublings
    return SLICES + doublings * OCTAVE + (requests - begun) * OCTAVE // begun


def slice_ends(slices: int) -> Floats:
    """The time at the end of each slice."""
    number = np.arange(1, slices + 1)
    doublings, place = np.divmod(np.maximum(0, number - SLICES), OCTAVE)
    return np.where(number <= SLICES, number / SLICES, 2.0**doublings * (1 + place / OCTAVE))


def period_of(number: int) -> int:
    """The period that a slice (from 0) belongs to: 0 is the plan, 1, 2, ... the doublings after it."""
    return 0 if number < SLICES else 1 + (number - SLICES) // OCTAVE


def periods(slices: int) -> list[slice]:
    """The slices of each period, as far as so many slices reach."""
    starts = [0, *range(SLICES, max(SLICES, slices), OCTAVE)]
    return [slice(start, min(end, slices)) for start, end in zip(starts, [*starts[1:], slices], strict=True)]


class Walk:
    """Walks side by side: the probability of each count without having crossed. Column j is the count `low` + j."""

    def __init__(self, p: float, walks: int = 1) -> None:
        self._p = p
        self._mass: Floats = np.ones((walks, 1))
        self._low = 0
        self._crossed: Floats = np.zeros(walks)

    def advance(self, trials: Ints) -> None:
        """`trials` more for each walk."""
        most = int(trials.max(initial=0))
        if most == 0:
            return
        walks, width = self._mass.shape
        if walks == 1:
            self._mass = np.convolve(self._mass[0], law(most, self._p))[None, :]
        else:
            steps = _laws(trials, self._p)
            wider = np.zeros((walks, width + steps.shape[1] - 1))
            for hits in range(steps.shape[1]):
                wider[:, hits : hits + width] += self._mass * steps[:, hits, None]
            self._mass = wider
        self._trim()

    def limit(self, allowed: float) -> Ints:
        """The smallest count of each walk that may be rejected now. Its probability is absorbed."""
        walks, width = self._mass.shape
        tails = np.cumsum(self._mass[:, ::-1], axis=1)[:, ::-1]  # P(count >= column, not crossed before)
        columns: Ints = (tails > np.maximum(0.0, allowed - self._crossed)[:, None]).sum(axis=1)
        ends = np.concatenate([tails, np.zeros((walks, 1))], axis=1)
        self._crossed += ends[np.arange(walks), columns]
        self._mass = np.where(np.arange(width) < columns[:, None], self._mass, 0.0)[:, : max(1, int(columns.max()))]
        return self._low + columns

    def _trim(self) -> None:
        """Counts far below every boundary become one, the highest of them: nearer the boundary, so conservative."""
        if self._mass.shape[1] < 48:
            return
        far = int((np.cumsum(self._mass, axis=1).max(axis=0) < NEGLIGIBLE).sum())
        if 0 < far < self._mass.shape[1]:
            self._mass[:, far] += self._mass[:, :far].sum(axis=1)
            self._mass, self._low = self._mass[:, far:], self._low + far


@lru_cache(maxsize=512)
def law(trials: int, p: float) -> Floats:
    """The probabilities of 0, 1, ... hits among so many trials. The tail that is NEGLIGIBLE is cut off.

    Each follows from the one before: the logarithms of scipy's gammaln cost two to three times as much for long laws,
    and lose a digit to it, since they subtract large numbers.
    """
    k = np.arange(trials)
    steps = np.log(trials - k) - np.log(k + 1) + np.log(p) - np.log1p(-p)
    chances = np.exp(np.concatenate([[0.0], np.cumsum(steps)]) + trials * np.log1p(-p))
    beyond = np.cumsum(chances[::-1])[::-1] < NEGLIGIBLE
    kept: Floats = chances[: max(1, int((~beyond).sum()))]
    return kept


def _laws(trials: Ints, p: float) -> Floats:
    """One row for each number of trials, filled up with zeros."""
    different, place = np.unique(trials, return_inverse=True)
    laws = [law(int(n), p) for n in different]
    table = np.zeros((len(laws), max(map(len, laws))))
    for row, chances in zip(table, laws, strict=True):
        row[: len(chances)] = chances
    return table[place]


def boundaries(p: float, alpha: float, trials: Ints, times: Floats | None = None) -> Ints:
    """The limit at the end of each slice: a running count of hits that reaches it is too many.

    `trials` [stages, slices] are those of each slice; the answer has the same shape.
    """
    ends = slice_ends(trials.shape[1]) if times is None else times
    return _limits(p, alpha * spent(ends), trials)


def _limits(p: float, allowed: Floats, trials: Ints) -> Ints:
    blocks = [_block(p, allowed, trials[first : first + BLOCK]) for first in range(0, len(trials), BLOCK)]
    return np.concatenate(blocks) if blocks else np.zeros(trials.shape, np.int64)


def period_boundaries(p: float, alpha: float, trials: Ints) -> Ints:
    """As `boundaries`, for counts that start from zero in each period. `trials` [stages, slices]."""
    budget = alpha * np.concatenate([[0.0], spent(slice_ends(trials.shape[1]))])
    limits = [
        _limits(p, budget[period.start + 1 : period.stop + 1] - budget[period.start], trials[:, period])
        for period in periods(trials.shape[1])
    ]
    return np.concatenate(limits, axis=1)


def period_sums(counts: Ints) -> Ints:
    """Running sums [..., slices] that start from zero in each period."""
    return np.concatenate([np.cumsum(counts[..., period], axis=-1) for period in periods(counts.shape[-1])], axis=-1)


def first_crossings(p: float, alpha: float, trials: Ints, hits: Ints) -> Ints:
    """The slice (from 0) in which each stage crossed its boundary, or -1. Both arguments [stages, slices]."""
    over = np.cumsum(hits, axis=1) >= boundaries(p, alpha, trials)
    first: Ints = np.where(over.any(axis=1), over.argmax(axis=1), -1)
    return first


def _block(p: float, allowed: Floats, trials: Ints) -> Ints:
    walk = Walk(p, len(trials))
    limits = np.empty(trials.shape, np.int64)
    for at, budget in enumerate(allowed):
        walk.advance(trials[:, at])
        limits[:, at] = walk.limit(float(budget))
    return limits
