"""Distances between two sets of rows, from bin counts and moments alone. Arrays broadcast over leading axes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def shares(counts: Floats) -> Floats:
    """Bin shares; half a count in each bin keeps a logarithm finite (Jeffreys)."""
    smooth = counts + 0.5
    result: Floats = smooth / smooth.sum(axis=-1, keepdims=True)
    return result


def psi(a: Floats, b: Floats) -> Floats:
    """Population stability index of two histograms with equal bins [..., bins]."""
    p, q = shares(a), shares(b)
    result: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return result


def psi_noise(bins: int, n: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the PSI of two samples of one distribution, n and m rows.

    It is about (1/n + 1/m) times a chi-square with bins - 1 degrees of freedom (Yurdakul 2018).
    """
    unit = 1 / n + 1 / m
    return (bins - 1) * unit, 2 * (bins - 1) * unit**2


def ks(a: Floats, b: Floats) -> Floats:
    """Kolmogorov-Smirnov distance at the bin edges: the largest gap of the two cumulative shares."""
    p = a.cumsum(axis=-1) / np.maximum(a.sum(axis=-1, keepdims=True), 1)
    q = b.cumsum(axis=-1) / np.maximum(b.sum(axis=-1, keepdims=True), 1)
    result: Floats = np.abs(p - q).max(axis=-1)
    return result
