"""Distances between two sets of rows, from counts and moments alone. Arrays broadcast over leading axes.

`a` is the window, `b` what it is compared with; counts are [..., bins].
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from include.monitoring.profile.binning import Axis
from include.monitoring.profile.summary import Summary
from include.monitoring.stored import rounded

Floats = npt.NDArray[np.float64]


def shares(counts: Floats) -> Floats:
    """Bin shares; half a count in each bin keeps a logarithm finite (Jeffreys)."""
    smooth = counts + 0.5
    result: Floats = smooth / smooth.sum(axis=-1, keepdims=True)
    return result


def toward(counts: Floats, expected: Floats) -> Floats:
    """Bin shares, drawn to `expected` by half a count a bin.

    So a few rows look like what is expected, and the same shares of more rows never look nearer to it.
    """
    weight = counts.shape[-1] / 2
    result: Floats = (counts + weight * expected) / (counts.sum(axis=-1, keepdims=True) + weight)
    return result


def psi(a: Floats, b: Floats) -> Floats:
    """Population stability index."""
    q = shares(b)
    p = toward(a, q)
    result: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return result


def psi_noise(bins: int, n: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the PSI of two samples of one distribution, n and m rows.

    It is about (1/n + 1/m) times a chi-square with bins - 1 degrees of freedom (Yurdakul 2018).
    """
    unit = 1 / n + 1 / m
    return (bins - 1) * unit, 2 * (bins - 1) * unit**2


def kl(a: Floats, b: Floats) -> Floats:
    """Kullback-Leibler divergence of `a` from `b`, in nats."""
    q = shares(b)
    p = toward(a, q)
    result: Floats = (p * np.log(p / q)).sum(axis=-1)
    return result


def ks(a: Floats, b: Floats) -> Floats:
    """Kolmogorov-Smirnov distance at the bin edges: the largest gap of the two cumulative shares."""
    result: Floats = np.abs(_cumulated(a) - _cumulated(b)).max(axis=-1)
    return result


def wasserstein(a: Floats, b: Floats, width: float) -> Floats:
    """Earth mover's distance of two histograms with cells `width` wide; what lies beyond the ends is taken to lie at them."""
    result: Floats = width * np.abs(_cumulated(a) - _cumulated(b))[..., :-1].sum(axis=-1)
    return result


def chi_square(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Pearson's statistic of homogeneity, uncorrected, over the bins that hold anything; and its p-value."""
    total = a + b
    n, m = a.sum(axis=-1, keepdims=True), b.sum(axis=-1, keepdims=True)
    seen = total > 0
    rows = np.maximum(n + m, 1)
    expected_a, expected_b = total * n / rows, total * m / rows
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(seen, (a - expected_a) ** 2 / expected_a + (b - expected_b) ** 2 / expected_b, 0.0)
    statistic: Floats = parts.sum(axis=-1)
    return statistic, chdtrc(np.maximum(seen.sum(axis=-1) - 1, 1), statistic)


@dataclass(frozen=True)
class Comparison:
    """Every distance of one column's window from a reference. `ks`, `wasserstein`: None for a category.

    `missing`, `missing_before`: shares of the rows. `shift`: of the mean, in standard deviations of the reference.
    """

    psi: float
    kl: float
    chi_square: float
    p_value: float
    ks: float | None
    wasserstein: float | None
    missing: float
    missing_before: float
    shift: float

    def to_json(self) -> dict[str, float | None]:
        result: dict[str, float | None] = rounded(asdict(self))
        return result


def compare(here: Summary, before: Summary, axis: Axis) -> Comparison:
    """From summaries, without reading a row again. KS and Wasserstein from the fine cells where both have them."""
    a, b = here.bins.astype(np.float64), before.bins.astype(np.float64)
    fine = here.cells is not None and before.cells is not None
    x, y = (s.cells.astype(np.float64) if fine and s.cells is not None else s.bins.astype(np.float64) for s in (here, before))
    statistic, p_value = chi_square(a, b)
    spread = before.variance**0.5
    both = here.present > 0 and before.present > 0
    return Comparison(
        psi=float(psi(a, b)) if axis.bins > 1 else 0.0,
        kl=float(kl(a, b)) if axis.bins > 1 else 0.0,
        chi_square=float(statistic) if both else 0.0,
        p_value=float(p_value) if both else 1.0,
        ks=float(ks(x, y)) if axis.numeric and both else None,
        wasserstein=float(wasserstein(x, y, axis.step)) if axis.numeric and fine and both else None,
        missing=here.missing / max(here.count, 1),
        missing_before=before.missing / max(before.count, 1),
        shift=(here.mean - before.mean) / spread if spread > 0 and both else 0.0,
    )


def _cumulated(counts: Floats) -> Floats:
    result: Floats = counts.cumsum(axis=-1) / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return result
