"""How far one window of a column lies from a set of past windows, in units of how far those lie apart.

Two distances: of the mean, and of the shape (PSI beyond what sampling alone gives). The scale has two
parts, as in a random-effects model: how much windows differ of themselves (season, weather, weekday) and
the sampling noise of the window at hand; so a small window is not blamed for being small, and a large
one does not turn ordinary seasonality into an alarm (DerSimonian, Laird 1986; Yurdakul 2018). With the past
fixed, the same move measured on more rows is never nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from include.monitoring.drift.divergences import Floats, ks, psi, psi_noise
from include.monitoring.profile.summary import Summary

RARE = 0.01  # bins with a smaller share of the past are counted together
# Windows that differ by less than this are alike: else a column that hardly ever moves, such as the weekday,
# would make one snowstorm the yardstick of all the others.
ALIKE_MEAN = 0.03  # in standard deviations of a row
ALIKE_PSI = 0.02  # a fifth of what is commonly called a change
# Where too few windows are known to tell how they differ, they are taken to differ by this much.
ASSUMED_MEAN = 0.1
ASSUMED_PSI = 0.05
SQUARE = 4.0  # beyond so many usual spreads the root of a PSI counts, which grows with the square of a move

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Floor:
    """The least by which windows of a column are taken to differ, of themselves: of the mean, of the PSI."""

    mean: float = ALIKE_MEAN
    psi: float = ALIKE_PSI


@dataclass(frozen=True)
class Windows:
    """One column over windows: `n`, `mean`, `variance` [...], `bins` [..., B]."""

    n: Floats
    mean: Floats
    variance: Floats
    bins: Floats

    @classmethod
    def of(cls, summaries: Sequence[Summary]) -> Self:
        """[K] windows."""
        rows = [(s.present, s.mean, s.variance) for s in summaries]
        n, mean, variance = np.array(rows, dtype=np.float64).T
        return cls(n, mean, variance, np.array([s.bins for s in summaries], dtype=np.float64))

    def __getitem__(self, index: Any) -> Windows:
        """Of the leading axes."""
        return Windows(self.n[index], self.mean[index], self.variance[index], self.bins[index])

    def __len__(self) -> int:
        return len(self.n)

    def lumped(self, groups: Index) -> Windows:
        """The same windows with bins added up by group."""
        bins = np.zeros((*self.bins.shape[:-1], int(groups.max(initial=0)) + 1))
        for source, target in enumerate(groups):
            bins[..., target] += self.bins[..., source]
        return Windows(self.n, self.mean, self.variance, bins)

    def groups(self) -> Index:
        """A group for each bin: its own, or one for all rare bins together."""
        total = self.bins.sum(axis=0)
        common = total >= RARE * max(total.sum(), 1)
        return np.where(common, np.cumsum(common) - 1, common.sum()).astype(np.intp)


@dataclass(frozen=True)
class Distance:
    """Of one window from past ones. `shift`, `shape`: multiples of the usual spread; the rest are effects.

    `moved`: the mean's move in standard deviations of a row. `excess`: PSI beyond sampling noise and what is usual.
    """

    shift: float
    shape: float
    moved: float
    excess: float
    psi: float
    ks: float
    usual_mean: float

    @property
    def score(self) -> float:
        return max(abs(self.shift), self.shape)


def distance(one: Windows, past: Windows, numeric: bool, floor: Floor) -> Distance:
    """Of one window (no leading axis) from K past ones. Columns that never vary give zero."""
    shift, moved = _shift(one, past, floor) if numeric else (np.zeros(()), np.zeros(()))
    shape, excess, index = _shape(one, past, floor)
    gap = ks(one.bins, past.bins.sum(axis=0)) if past.bins.shape[-1] else 0.0
    return Distance(float(shift), float(shape), float(moved), float(excess), float(index), float(gap), float(past.mean.mean()))


def left_out(past: Windows, numeric: bool, floor: Floor) -> Floats:
    """The score [K] of each of K past windows as if it were new, against the others."""
    count = len(past)
    others = np.array([[other for other in range(count) if other != at] for at in range(count)], dtype=np.intp)
    rest = past[others]
    shift = np.abs(_shift(past, rest, floor)[0]) if numeric else np.zeros(count)
    scores: Floats = np.maximum(shift, _shape(past, rest, floor)[0])
    return scores


def _shift(one: Windows, past: Windows, floor: Floor) -> tuple[Floats, Floats]:
    """(multiples of the usual spread, standard deviations of a row) [...] of windows [...] from past ones [..., K].

    The window's noise is by its own variance where that is larger: a few huge values move its mean and vary as much. By the
    past's alone a column that is mostly 0 (rain, a rare word) alarmed by chance, and its odd past windows hid other drift.
    """
    center, rows = past.mean.mean(axis=-1), np.maximum(past.n.sum(axis=-1), 1)
    within = (past.variance * past.n).sum(axis=-1) / rows
    scale = _scale(past.mean, within[..., None] / past.n, np.maximum(within, one.variance) / one.n, floor.mean**2 * within)
    move = one.mean - center
    return _divided(move, scale), _divided(move, np.sqrt(within))


def _shape(one: Windows, past: Windows, floor: Floor) -> tuple[Floats, Floats, Floats]:
    """(multiples of the usual spread, PSI in excess of noise and of what is usual, PSI) [...]."""
    bins = past.bins.shape[-1]
    if bins < 2:
        nothing = np.zeros(one.n.shape)
        return nothing, nothing, nothing
    pooled, rows = past.bins.sum(axis=-2), past.n.sum(axis=-1)
    usual, noise = _usual(past, pooled, rows)
    here_expected, here_noise = psi_noise(bins, one.n, rows)
    index = psi(one.bins, pooled)
    excess = index - here_expected - usual.mean(axis=-1)
    scale = _scale(usual, noise, here_noise, np.full(one.n.shape, floor.psi**2))
    return _rooted(_divided(excess, scale)), excess, index


def _usual(past: Windows, pooled: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Each past window's PSI from the others beyond its noise, and that noise's variance [..., K]; nothing of a single one."""
    if past.n.shape[-1] < 2:
        return np.zeros(past.n.shape), np.zeros(past.n.shape)
    expected, noise = psi_noise(past.bins.shape[-1], past.n, rows[..., None] - past.n)
    return psi(past.bins, pooled[..., None, :] - past.bins) - expected, noise


def _rooted(spreads: Floats) -> Floats:
    """Linear up to SQUARE, its root beyond: one wild week then does not hide every later one."""
    result: Floats = np.where(spreads <= SQUARE, spreads, np.sqrt(SQUARE * np.maximum(spreads, SQUARE)))
    return result


def _scale(values: Floats, noise: Floats, here: Floats, alike: Floats) -> Floats:
    """Spread of a new value: between windows, plus its own noise, plus the error of the centre. Variances in."""
    count, sampling = values.shape[-1], noise.mean(axis=-1)
    between = np.maximum(0.0, values.var(axis=-1, ddof=1) - sampling) if count > 1 else np.zeros(sampling.shape)
    between = np.maximum(between, alike)
    result: Floats = np.sqrt(between + here + (between + sampling) / count)
    return result


def _divided(a: Floats, b: Floats) -> Floats:
    result: Floats = np.where(b > 0, a / np.where(b > 0, b, 1.0), 0.0)
    return result
