"""Simulated windows of a model's inputs whose truth is known: how much each column has shifted, and how windows wobble.

A column's rows are drawn as counts over fine cells (a multinomial), which is the same as drawing the rows and counting
them, and a hundred times as fast; everything else (bins, moments, KS, PSI) follows from the counts, as in production.
Half of the columns are normal, half exponential, with a long tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from include.monitoring.profile.binning import Axis
from include.monitoring.profile.summary import Summary
from include.monitoring.reference import Reference

CELLS = 1022
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def cdf(law: str, values: Floats, moved: float) -> Floats:
    """Of mean `moved`, and of standard deviation 1 where that is 0. An exponential moves by its scale: its values have
    a lower end that stays."""
    normal: Floats = ndtr(values - moved)
    return normal if law == "normal" else -np.expm1(-np.maximum(values + 1, 0) / max(1 + moved, 0.05))


def rows(law: str, rng: np.random.Generator, moved: float, n: int) -> Floats:
    """Values [n] of the same law."""
    return rng.normal(moved, 1, n) if law == "normal" else rng.exponential(max(1 + moved, 0.05), n) - 1


def rare_rows(rng: np.random.Generator, n: int) -> Floats:
    """Values [n] that are 0 but for a few."""
    values: Floats = np.where(rng.random(n) < 0.02, np.exp(2 * rng.normal(size=n)), 0.0)
    return values


@cache
def axis(law: str) -> Axis:
    """The production axis, with fewer cells, of 100,000 reference rows."""
    values = rows(law, np.random.default_rng(0), 0.0, 100_000)
    made = Axis.spanning(law, "float", values)
    step = made.step * made.cells / CELLS
    coarse = Axis(law, "float", made.low, step, CELLS)
    cuts = np.unique(coarse.place(np.quantile(values, np.linspace(0, 1, 21)[1:-1])))
    return Axis(law, "float", made.low, step, CELLS, tuple(int(cut) for cut in cuts))


@cache
def edges(law: str) -> Floats:
    """Of the cells, the two beyond the ends included."""
    made = axis(law)
    return np.concatenate([[-np.inf], made.low + made.step * np.arange(CELLS + 1), [np.inf]])


def law_of(column: int) -> str:
    return ("normal", "exponential")[column % 2]


@dataclass(frozen=True)
class World:
    """`columns` inputs, `past` windows of `rows` rows; window means wobble by `wobble` standard deviations.

    `tails`: all of a window together by Student's law with so many degrees of freedom, so that single windows are odd; 0: by the
    normal one. `rare`: so many columns, the last ones, are 0 in 98 of 100 rows and log normal in the others; of worlds that are
    drawn row by row.
    """

    rows: int
    columns: int
    wobble: float
    past: int = 13
    tails: int = 0
    rare: int = 0

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(replace(axis(law_of(n)), name=f"c{n}") for n in range(self.columns))

    def draw(self, rng: np.random.Generator, shifts: Floats, rows: int = 0) -> Counts:
        """Counts [columns, cells + 2] of one window whose columns have shifted by `shifts` standard deviations."""
        odd = np.sqrt(self.tails / rng.chisquare(self.tails)) if self.tails else 1.0
        moved = shifts + odd * self.wobble * rng.normal(size=self.columns)
        return np.stack([self.count(rng, n, moved[n], rows or self.rows) for n in range(self.columns)])

    def count(self, rng: np.random.Generator, column: int, moved: float, rows: int) -> Counts:
        """Counts [cells + 2] of one column."""
        law = law_of(column)
        counts: Counts = rng.multinomial(rows, np.diff(cdf(law, edges(law), moved)))
        return counts

    def profile(self, counts: Counts) -> dict[str, Summary]:
        return {a.name: summary(a, counts[n]) for n, a in enumerate(self.axes)}

    def reference(self, windows: Sequence[Counts]) -> Reference:
        past = {str(k): self.profile(counts) for k, counts in enumerate(windows)}
        return Reference(self.axes, past, (), self.rows * len(windows))


def summary(a: Axis, cells: Counts) -> Summary:
    """Rows are taken to lie in the middle of their cell: .01 of a standard deviation wide."""
    centers = a.low + a.step * (np.arange(CELLS + 2) - 0.5)
    n = int(cells.sum())
    mean = float(cells @ centers / n)
    m2 = float(cells @ np.square(centers - mean))
    return Summary(n, 0, 0, a.fold(cells), mean, m2, float(centers[0]), float(centers[-1]), cells)
