"""Hedge (Freund, Schapire 1997) with a prior, and following one of its members lazily.

Weights are the prior times exp(-rate x loss so far). The member to follow is the one at the model's own place `draw` in (0, 1)
along the weights, in a fixed order: it changes only as far as weights move, so a switch is as rare as theirs (the coupling of
Geulen, Vöcking, Winkler 2010, and of uniform metrical task systems: Blum, Burch 2000).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from include.monitoring.retraining.staleness_probe import Floats


def weights(prior: Sequence[float], loss: Sequence[float], rate: float) -> Floats:
    """They add up to 1; `loss` and 1/`rate` in the same unit."""
    exponent = np.log(np.asarray(prior)) - rate * np.asarray(loss)
    found = np.exp(exponent - exponent.max())
    shares: Floats = found / found.sum()
    return shares


def followed(found: Floats, draw: float) -> int:
    """The member at this place."""
    beyond = int(np.searchsorted(np.cumsum(found), draw, side="right"))
    return min(beyond, len(found) - 1)


def place(name: str) -> float:
    """A model's place, the same for ever: nobody who makes its stream chose it."""
    number = int.from_bytes(hashlib.sha256(f"retraining/{name}".encode()).digest()[:8], "big")
    return (number + 0.5) / 2**64
