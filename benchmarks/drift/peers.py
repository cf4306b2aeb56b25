"""The usual rules, on the same windows. Each says whether it alarms, and on which share of the columns.

KS: scipy's asymptotic p-value of the two-sample test, from cells fine enough to stand for the rows. Evidently's defaults
for numeric columns (0.7): up to 1,000 reference rows KS with p < .05; beyond, the Wasserstein distance over the reference's
standard deviation, at .1; a data set drifts where half of its columns do. `evidently.py` checks that on Evidently itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import kolmogorov

from benchmarks.drift.world import CELLS, Counts, Floats, axis, law_of
from include.monitoring.drift.divergences import ks, psi, wasserstein

SMALL = 1000  # reference rows up to which Evidently takes KS
HALF = 0.5


@dataclass(frozen=True)
class Rules:
    """Whether each rule alarms on a window."""

    ks: bool
    ks_bh: bool
    psi: bool
    evidently_any: bool
    evidently: bool


def rules(window: Counts, before: Counts) -> Rules:
    """Counts [columns, cells + 2] of the window and of the reference."""
    a, b = window.astype(np.float64), before.astype(np.float64)
    n, m = a.sum(axis=1), b.sum(axis=1)
    p = kolmogorov(np.sqrt(n * m / (n + m)) * ks(a, b))
    drifted = evidently_columns(a, b, p)
    ranked = np.sort(p)
    return Rules(
        ks=bool((p < 0.05).any()),
        ks_bh=bool((ranked <= 0.05 * np.arange(1, len(p) + 1) / len(p)).any()),
        psi=bool((_psi(a, b) > 0.2).any()),
        evidently_any=bool(drifted.any()),
        evidently=bool(drifted.mean() >= HALF),
    )


def evidently_columns(a: Floats, b: Floats, p: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which columns Evidently's default test calls drifted."""
    if b[0].sum() <= SMALL:
        return np.asarray(p < 0.05)
    return np.array([_distance(column, a[column], b[column]) >= 0.1 for column in range(len(a))])


def _distance(column: int, a: Floats, b: Floats) -> float:
    made = axis(law_of(column))
    centers = made.low + made.step * (np.arange(CELLS + 2) - 0.5)
    n = b.sum()
    spread = np.sqrt(b @ centers**2 / n - (b @ centers / n) ** 2)
    return float(wasserstein(a, b, made.step) / max(spread, 0.001))


def _psi(a: Floats, b: Floats) -> Floats:
    """Ten bins of equal mass of the reference."""
    return np.array([psi(_deciles(a[column], b[column]), _deciles(b[column], b[column])) for column in range(len(a))])


def _deciles(counts: Floats, of: Floats) -> Floats:
    cumulated = of.cumsum() / of.sum()
    starts = np.searchsorted(cumulated, np.linspace(0, 1, 11)[:-1], side="right")
    return np.add.reduceat(counts, np.unique(starts))
