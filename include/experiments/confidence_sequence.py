"""Intervals that hold at every look at once, however often one looks and for whatever reason one stops.

Theorem 2.2 of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, Time-uniform central limit theory and asymptotic
confidence sequences, Annals of Statistics 52, 2024: of n independent observations with a mean, an estimated standard deviation
s and any fixed r > 0,

    mean +- s * sqrt( 2 (n r^2 + 1) / (n^2 r^2) * log( sqrt(n r^2 + 1) / alpha ) )

covers the mean at all n at once with probability 1 - alpha, up to an error that vanishes as the first look comes later. By their
section on asymptotically linear estimators it holds for a difference of means, of ratios, and of means that are adjusted by
regression, with s^2 / n in place of the estimate's variance. Underneath is Robbins' normal mixture: with z the estimate in its
standard errors and x = n r^2,

    e = exp( z^2 / 2 * x / (1 + x) ) / sqrt(1 + x)

is a nonnegative supermartingale where there is no difference, which ever exceeds 1 / alpha with probability alpha at most
(Ville). So 1 / e is a p-value at every look, and the interval is the differences that e does not speak against.

`information` is x: it grows with the entities that were counted, and is optimal at the planned end, where the interval is the
narrowest that this family has. Any other length is as valid.

The planned end is one moment that is stated before the start, and half of alpha is kept for it: there alone the interval is that
of a test which is done once. All intervals together miss with probability alpha at most (the sum of both halves), and the
experiment loses little power to a test that nobody may look at before its end.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def optimal_information(alpha: float) -> float:
    """n r^2 at the moment for which the interval is made narrowest: equation (10) of the paper."""
    spent = -2 * math.log(alpha / 2)
    return spent + math.log(spent + 1)


def information(entities: ArrayLike, planned: float, alpha: float) -> Floats:
    """x for that many entities of both arms, of an experiment that was planned for `planned` of them."""
    return np.asarray(entities, np.float64) / planned * optimal_information(alpha)


def width(x: ArrayLike, alpha: float, final: ArrayLike = False) -> Floats:
    """Half the width of the interval, in standard errors of the estimate. Infinite before the first observation.

    `final`: whether it is the look at the planned end.
    """
    x = np.asarray(x, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = np.sqrt(2 * (1 + x) / x * (np.log1p(x) / 2 - math.log(alpha / 2)))
    return np.where(x > 0, np.where(final, np.minimum(wide, width_once(alpha / 2)), wide), np.inf)


def width_once(alpha: float) -> float:
    """The same of a test that is done once."""
    return NormalDist().inv_cdf(1 - alpha / 2)


def p_value(z: ArrayLike, x: ArrayLike, final: ArrayLike = False) -> Floats:
    """Valid at every look, and at most alpha exactly where the interval of that alpha leaves out 0."""
    z, x = np.asarray(z, np.float64), np.asarray(x, np.float64)
    log_e = z**2 / 2 * x / (1 + x) - np.log1p(x) / 2
    ever = np.exp(-np.maximum(log_e, 0.0))
    once = np.where(final, 2 * ndtr(-np.abs(z)), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(ever, once)))
