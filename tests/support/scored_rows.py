"""Labels and scores of made-up models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]


def scores(n: int = 3000, seed: int = 0) -> tuple[Floats, Floats]:
    """Labels that come true as often as their score says; scores have ties."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.beta(2, 4, n), 2)
    return (rng.random(n) < score).astype(float), score


def two_models(seed: int, n: int = 800, gain: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Labels, and two models' scores of the same rows; the second sees `gain` more of the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    label = (rng.random(n) < expit(truth)).astype(float)
    noise = rng.normal(size=n)
    first, second = truth + noise, truth + (1 - gain) * noise + 0.3 * rng.normal(size=n)
    return label, expit(first), expit(second)
