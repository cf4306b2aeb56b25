"""What keeping a champion costs, told by probe models: cheap ones, one trained at each window, that never serve.

A window's error alone does not tell whether a model went stale or the window was hard. A probe trained later does, on the
same rows: what counts is the *gap* between an older model and those that were fresh then. Gaps have a mean that grows with age
(the curve), and a part of the model's own that lasts; the rest is noise, and the past says how much.

When to pay for a new model is a replacement problem (Barlow, Hunter 1960): replace when what the next windows cost beyond a
fresh model exceeds, for however long one might wait, what a window costs at the best pace of replacing. Both are taken at the
lower quartile of what the past leaves open: a retrain has to be three times likelier right than wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Chosen on simulated streams (benchmarks/policy/simulated.py); regret there is flat around all of them.
QUARTILE = 0.674  # so many standard errors below the estimate lies its lower quartile
MEMORY = 0.9  # a window weighs so many times what the one after it weighs
CALM = 4.0  # the curve starts from so many windows without a gap
LASTING = 0.4  # the share of a gap's variance that is taken to last before anything is seen
GUESS = 10.0  # the guess above weighs as much as so many windows
AGES = 15  # a model that is older, in windows, tells nothing of noise
HORIZON = 60  # so many windows are looked ahead


@dataclass(frozen=True)
class Forecast:
    """In error per window, resting on so many `windows`.

    `excess`: the champion's error beyond a fresh model's in the window to come, cautiously. `pace`: what retraining at the best
    regular pace costs, its price included. `saving`: what retraining now saves against the best later moment, less what that
    pace costs; retraining is worth it where that is positive.
    """

    excess: float
    pace: float
    saving: float
    windows: int

    @property
    def worth(self) -> bool:
        return self.saving > 0


@dataclass(frozen=True)
class Ageing:
    """What the errors of the models so far say of age: the mean gap by age (`curve`), the spread of one gap at one age, the share
    of a gap beyond the curve that lasts, and that rest of each model in each `known` window. `now`: the window to come."""

    now: int
    known: int
    curve: Floats
    spread: float
    lasting: float
    rest: Floats

    def pace(self, price: float) -> float:
        return float(np.min((price + np.cumsum(self.curve)) / np.arange(1, len(self.curve) + 1)))

    def ahead(self, champion: int, caution: float) -> Floats:
        """The champion's excess in each of the next windows; what is its own lies `caution` errors below the estimate."""
        own = 0.0
        if champion < self.known:
            own = _own(self.rest[champion, champion:], self.lasting, self.spread, caution)
        return self.curve[np.minimum(self.now - champion + np.arange(HORIZON), HORIZON)] + own


def ageing(error: Floats) -> Ageing | None:
    """Of errors as `forecast` takes them; None before any window has its labels."""
    known = int(np.isfinite(np.diagonal(error)).sum())  # windows 0 to known-1 have labels
    if known == 0:
        return None
    gap = gaps(error, known)
    curve, spread = _curve(gap)
    rest = gap - curve[np.minimum(_ages(known), HORIZON)]
    return Ageing(len(error) - 1, known, curve, spread, _lasting(rest), rest)


def forecast(error: Floats, champion: int, price: float) -> Forecast:
    """Before the last window of `error`: `error[s, t]` is the error rate in window t of the model that served, or could have,
    from window s on; NaN where unknown, or where the model was trained on t. `price`: of one retrain, in errors of a window.
    """
    found = ageing(error)
    if found is None:
        return Forecast(0.0, price / HORIZON, 0.0, 0)
    return told(found, champion, price)


def told(found: Ageing, champion: int, price: float, caution: float = QUARTILE) -> Forecast:
    """The forecast for one champion at one price."""
    ahead, pace = found.ahead(champion, caution), found.pace(price)
    return Forecast(float(ahead[0]), pace, float(np.min(np.cumsum(ahead - pace))), found.known)


def gaps(error: Floats, known: int) -> Floats:
    """[known, known]: of model s in window t >= s, beyond the mean of the three models that were newest then; NaN elsewhere."""
    gap = np.full((known, known), np.nan)
    for t in range(known):
        fresh = error[max(t - 1, 0) : t + 2, t]
        gap[: t + 1, t] = error[: t + 1, t] - fresh[np.isfinite(fresh)].mean()
    return gap


def _ages(known: int) -> npt.NDArray[np.int64]:
    ages: npt.NDArray[np.int64] = np.maximum(np.arange(known)[None, :] - np.arange(known)[:, None], 0)
    return ages


def _curve(gap: Floats) -> tuple[Floats, float]:
    """The gap by age 0 .. HORIZON, never falling, at the lower quartile of its mean; and the usual spread at one age."""
    lagged = [np.diagonal(gap, age) for age in range(min(len(gap), HORIZON + 1))]
    count = np.array([len(each) for each in lagged], dtype=np.float64)
    variance = np.array([each.var() for each in lagged])
    usual = float(variance[:10].mean())
    error = np.sqrt((variance * count + 3 * usual) / (count + 3) / count)
    low = np.array([each.mean() for each in lagged]) * count / (count + CALM) - QUARTILE * error
    low[0] = 0.0
    rising = _rising(np.maximum(low, 0.0), count)
    return np.concatenate([rising, np.full(HORIZON + 1 - len(rising), rising[-1])]), math.sqrt(usual)


def _rising(values: Floats, weights: Floats) -> Floats:
    """The nearest curve that never falls (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights, strict=True):
        pools.append((float(value), float(weight), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, m, i), (b, n, j) = pools[-2:]
            pools[-2:] = [((a * m + b * n) / (m + n), m + n, i + j)]
    return np.repeat([mean for mean, _, _ in pools], [length for _, _, length in pools])


def _lasting(rest: Floats) -> float:
    """The share of what a gap has beyond the curve that is still there one and two windows later."""
    known = len(rest)
    young = np.where(_ages(known) <= AGES, rest, np.nan)
    variance = _product(young, 0)
    if known < 4 or variance <= 0:
        return LASTING
    share = (_product(young, 1) + _product(young, 2)) / 2 / variance
    return float(np.clip((known * share + GUESS * LASTING) / (known + GUESS), 0.03, 0.97))


def _product(rest: Floats, later: int) -> float:
    """Mean over windows of the models' mean product of this window's rest and a later one's: a window counts once."""
    both = rest[:, later:] * rest[:, : len(rest) - later]
    return float(np.mean([column[np.isfinite(column)].mean() for column in both.T]))


def _own(rest: Floats, lasting: float, spread: float, caution: float) -> float:
    """What lasts of the champion's own gap: its discounted mean, drawn to 0 as far as gaps are noise, cautiously."""
    weights = MEMORY ** np.arange(len(rest) - 1, -1, -1)
    total = weights.sum() + (1 - lasting) / lasting
    return float(weights @ rest / total - caution * spread * math.sqrt((1 - lasting) / total))
