"""The port of a trained model: rows in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from include.core.adapters import adapter

Floats = NDArray[np.float32]


class Model(Protocol):
    """Opened by `open_model`. Safe to call from one thread at a time."""

    @property
    def inputs(self) -> int:
        """How many features a row has."""

    def score(self, features: Floats) -> Floats:
        """Features float32 [n, inputs] to float32 [n] of one output, [n, k] of several."""


def open_model(path: Path) -> Model:
    """The model in a file. Raises IntegrityError for anything that is none, DataError for one that must not be used."""
    opener: Callable[[Path], Model] = adapter("model")
    return opener(path)


def check_model(path: Path, inputs: int, outputs: Sequence[str] = ("score",)) -> None:
    """Raises DataError for a model that serving could not hold to: its structure, the size of a row, its outputs' names."""
    check: Callable[[Path, int, Sequence[str]], None] = adapter("model.check")
    check(path, inputs, outputs)


def quantize(source: Path, target: Path) -> None:
    """Write the model with weights of 8 bits. Raises what the vendor raises for one that it cannot quantise."""
    write: Callable[[Path, Path], None] = adapter("model.quantize")
    write(source, target)
