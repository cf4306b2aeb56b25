"""Models whose answers are explained, over the rows of tests/support/binary_serving.py."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from include.model_contract.batch import Floats
from tests.support.kinds_serving import Says

BACKGROUND = np.random.default_rng(4).random((20, 3)).astype(np.float32)


class Curved:
    """A score in which all three inputs interact. Rows that are put together wait while it is held."""

    def __init__(self) -> None:
        self.runs, self.free = 0, threading.Event()
        self.free.set()

    def score(self, features: Floats) -> Floats:
        if len(features) >= len(BACKGROUND):
            self.free.wait(20)
            self.runs += 1
        known = np.nan_to_num(features, nan=0.125)
        said: Floats = (0.2 + 0.6 * known[:, 0] * np.tanh(known[:, 1] + known[:, 2] / 24)).clip(0, 1).astype(np.float32)
        return said


def shares_of(rows: Floats) -> Any:
    first = rows[:, 1] * rows[:, 0] * 0.5
    return np.column_stack([first, 0.75 - first, np.full(len(rows), 0.25)])


likely = Says(shares_of)
