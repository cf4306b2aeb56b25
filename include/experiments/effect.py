"""What the treatment changes: the difference of two arms, with an interval that holds at every look.

With `cuped` the variance is reduced by regression on the time before the experiment (A. Deng, Y. Xu, R. Kohavi, T. Walker,
Improving the sensitivity of online controlled experiments, WSDM 2013): the slope is estimated from both arms, and what no
assignment can have changed is taken off. The variance falls by the square of the correlation. An entity without a past has the
mean of those who have one: it neither helps nor hurts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from include.experiments.confidence_sequence import information, p_value, width
from include.experiments.moments import Moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """Treatment less control. NaN and infinite where an arm has fewer than two entities; p is 1 there."""

    difference: Floats
    error: Floats  # standard error
    half: Floats  # of the interval, at alpha
    p: Floats  # valid at every look
    slope: Floats  # of CUPED; 0 without
    reduction: Floats  # share of the variance that CUPED took off

    @property
    def low(self) -> Floats:
        return self.difference - self.half

    @property
    def high(self) -> Floats:
        return self.difference + self.half


def effect(
    control: Moments, treatment: Moments, planned: float, alpha: float, *, cuped: bool = False, final: ArrayLike = False
) -> Effect:
    """`planned`: the entities of both arms at the planned end; `final`: whether this is the look at that end.

    An arm of a constant metric has no variance, and so no error that could be trusted: nothing is said of two such arms.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = control.variance / control.n + treatment.variance / treatment.n
    slope, difference, variance = np.zeros_like(plain), treatment.ratio - control.ratio, plain
    if cuped:
        slope = _slope(control, treatment)
        difference = difference - slope * (treatment.before - control.before)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = sum((_adjusted(arm, slope) / arm.n for arm in (control, treatment)), np.zeros_like(plain))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.maximum(variance, 0.0))
        known = np.isfinite(error) & (error > 0)
        x = information(control.n + treatment.n, planned, alpha)
        z = np.where(known, difference / error, 0.0)
        reduction = np.where(plain > 0, 1 - variance / plain, 0.0)
        half = np.where(known, np.where(known, error, 0.0) * width(x, alpha, final), np.inf)
    return Effect(difference, error, half, np.where(known, p_value(z, x, final), 1.0), slope, reduction)


def _slope(*arms: Moments) -> Floats:
    together = sum((arm.covariance * (arm.n - 1) for arm in arms), np.float64(0.0))
    spread = sum((arm.variance_before * (arm.n - 1) for arm in arms), np.float64(0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, together / spread, 0.0)


def _adjusted(arm: Moments, slope: ArrayLike) -> Floats:
    return np.asarray(arm.variance - 2 * np.asarray(slope) * arm.covariance + np.asarray(slope) ** 2 * arm.variance_before)
