"""How far one window of a column lies from a set of past windows, in units of how far those lie apart.

Two distances: of the mean, and of the shape (PSI beyond what sampling alone gives). The scale has two
parts, as in a random-effects model: how much windows differ of themselves (season, weather, weekday) and
the sampling noise of the window at hand; so a small window is not blamed for being small, and a large
one does not turn ordinary seasonality into an alarm (DerSimonian, Laird 1986; Yurdakul 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from include.monitoring.profile import Summary
from include.monitoring.statistic import Floats, ks, psi, psi_noise

RARE = 0.01  # bins with a smaller share of the past are counted together
# Windows that differ by less than this are alike: else a column that hardly ever moves, such as the weekday,
# would make one snowstorm the yardstick of all the others.
ALIKE_MEAN = 0.03  # standard deviations of a row
ALIKE_PSI = 0.02  # a fifth of what is commonly called a change
SQUARE = 4.0  # usual spreads from which a PSI, which grows with the square of a move, is brought back by the root


@dataclass(frozen=True)
class Windows:
    """One column over K windows: `n`, `mean`, `variance` [K], `bins` [K, B]."""

    n: Floats
    mean: Floats
    variance: Floats
    bins: Floats

    @classmethod
    def of(cls, summaries: Sequence[Summary]) -> Self:
        rows = [(s.present, s.mean, s.variance) for s in summaries]
        n, mean, variance = np.array(rows, dtype=np.float64).T
        return cls(n, mean, variance, np.array([s.bins for s in summaries], dtype=np.float64))

    def __getitem__(self, index: npt.NDArray[np.intp] | slice) -> Windows:
        return Windows(self.n[index], self.mean[index], self.variance[index], self.bins[index])

    def __len__(self) -> int:
        return len(self.n)

    def lumped(self, groups: npt.NDArray[np.intp]) -> Windows:
        """The same windows with bins added up by group."""
        bins = np.zeros((len(self), int(groups.max()) + 1))
        for source, target in enumerate(groups):
            bins[:, target] += self.bins[:, source]
        return Windows(self.n, self.mean, self.variance, bins)

    def groups(self) -> npt.NDArray[np.intp]:
        """A group for each bin: its own, or one for all rare bins together."""
        total = self.bins.sum(axis=0)
        common = total >= RARE * max(total.sum(), 1)
        return np.where(common, np.cumsum(common) - 1, common.sum()).astype(np.intp)


@dataclass(frozen=True)
class Distance:
    """Of one window from past ones. `shift`, `shape`: multiples of the usual spread; the rest are effects."""

    shift: float
    shape: float
    moved: float  # the mean's move in standard deviations of a row
    excess: float  # PSI beyond sampling noise and what is usual between windows
    psi: float
    ks: float
    usual_mean: float

    @property
    def score(self) -> float:
        return max(abs(self.shift), self.shape)


def distance(one: Windows, past: Windows, numeric: bool) -> Distance:
    """Of `one` (a single window) from `past` (at least two). Columns that never vary give zero."""
    shift, moved, center = _shift(one, past) if numeric else (0.0, 0.0, 0.0)
    shape, excess, index, gap = _shape(one, past)
    return Distance(shift, shape, moved, excess, index, gap, center)


def _shift(one: Windows, past: Windows) -> tuple[float, float, float]:
    center, within = float(past.mean.mean()), float(np.average(past.variance, weights=past.n))
    scale = _scale(past.mean, within / past.n, within / float(one.n[0]), ALIKE_MEAN**2 * within)
    move = float(one.mean[0]) - center
    return (move / scale if scale > 0 else 0.0), (move / within**0.5 if within > 0 else 0.0), center


def _shape(one: Windows, past: Windows) -> tuple[float, float, float, float]:
    if past.bins.shape[1] < 2:
        return 0.0, 0.0, 0.0, 0.0
    bins, pooled, rows = past.bins.shape[1], past.bins.sum(axis=0), past.n.sum()
    expected, noise = psi_noise(bins, past.n, rows - past.n)
    usual = psi(past.bins, pooled - past.bins) - expected
    here_expected, here_noise = psi_noise(bins, one.n, rows)
    index = psi(one.bins, pooled)[0]
    excess = float(index - here_expected[0] - usual.mean())
    scale = _scale(usual, noise, float(here_noise[0]), ALIKE_PSI**2)
    return _rooted(excess / scale), excess, float(index), float(ks(one.bins, pooled)[0])


def _rooted(spreads: float) -> float:
    """Linear up to SQUARE, its root beyond: one wild week then does not hide every later one."""
    return spreads if spreads <= SQUARE else float(np.sqrt(SQUARE * spreads))


def _scale(values: Floats, noise: Floats, here: float, alike: float) -> float:
    """Spread of a new value: between windows, plus its own noise, plus the error of the centre. Variances in."""
    count, sampling = len(values), float(noise.mean())
    between = max(0.0, float(values.var(ddof=1)) - sampling)
    return float(np.sqrt(max(between, alike) + here + (between + sampling) / count))
