"""The port of a trained model: encoded rows in, outputs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from include.core.adapters import adapter
from include.model_contract.batch import Encoded, Floats
from include.model_contract.encoder import Encoder

__all__ = ["Encoded", "Floats", "Model", "check_model", "open_model", "quantize"]

SCORE = ("score",)  # the output of a model that gives one number


class Model(Protocol):
    """Opened by `open_model`. Safe to call from one thread at a time."""

    @property
    def named(self) -> bool:
        """Whether it takes an input a column (`Columns`), not one matrix of all of them."""

    @property
    def inputs(self) -> int:
        """How many numbers a row of the matrix has; how many columns it reads where it takes those."""

    def score(self, features: Encoded) -> Floats:
        """Rows as `Encoder.encode_table` and `encode_rows` give them to float32 [n] of one output, [n, k] of several.

        Raises DataError for rows of another form or width.
        """


def open_model(path: Path) -> Model:
    """The model in a file. Raises IntegrityError for anything that is none, DataError for one that must not be used."""
    opener: Callable[[Path], Model] = adapter("model")
    return opener(path)


def check_model(path: Path, inputs: Encoder | int, outputs: Sequence[str] = SCORE) -> None:
    """Raises DataError for a model that serving could not hold to: its structure, what it takes, what it gives.

    :param inputs: the encoder whose rows it is to score, or how many numbers a row of one tensor has
    :param outputs: the names of what it gives, in order; a single tensor [n, k] of several may have any name
    """
    check: Callable[[Path, Encoder | int, Sequence[str]], None] = adapter("model.check")
    check(path, inputs, outputs)


def quantize(source: Path, target: Path) -> None:
    """Write the model with weights of 8 bits. Raises what the vendor raises for one that it cannot quantise."""
    write: Callable[[Path, Path], None] = adapter("model.quantize")
    write(source, target)
