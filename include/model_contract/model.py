"""The port of a trained model: rows in, probabilities out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Model(Protocol):
    """Opened by `adapter("model")(path)`. Safe to call from one thread at a time."""

    @property
    def inputs(self) -> int:
        """How many features a row has."""

    def score(self, features: Floats) -> Floats:
        """Features float32 [n, inputs] to the probability of the positive class float32 [n]."""
