"""The port of a trained model: encoded rows in, outputs out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from include.core.adapters import adapter
from include.model_contract.batch import Encoded, Floats
from include.model_contract.encoder import Encoder
from include.model_contract.remote import KEY, Remote, model_file

__all__ = ["Encoded", "Floats", "Model", "RemoteModel", "check_model", "model_file", "open_model", "open_remote", "quantize"]

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


class RemoteModel(Model, Protocol):
    """One that another server scores with. Safe to call from several threads."""

    remote: Remote

    def check(self) -> None:
        """Raises UnreachableError where the server does not answer, DataError where its model is another by now."""

    async def score_soon(self, features: Encoded) -> Floats:
        """The same as `score` within the remote's own timeout, in one call, for an event loop. Raises as `score` does."""


def open_model(path: Path, environ: Mapping[str, str] | None = None) -> Model:
    """The model in a file. Raises IntegrityError for anything that is none, DataError for one that must not be used.

    `environ`: where a remote model's connection is looked up; by default the environment of this process.
    """
    if is_remote(path):
        return open_remote(Remote.from_json(json.loads(path.read_bytes())), environ)
    opener: Callable[[Path], Model] = adapter("model")
    return opener(path)


def open_remote(remote: Remote, environ: Mapping[str, str] | None = None, hurry: bool = False) -> RemoteModel:
    """A model on another server; nothing is sent yet. `hurry`: it waits no longer than the remote's timeout for each answer.

    Raises DataError where this process has no such connection.
    """
    opener: Callable[[Remote, Mapping[str, str] | None, bool], RemoteModel] = adapter("model.remote")
    return opener(remote, environ, hurry)


def is_remote(path: Path) -> bool:
    """Whether the file is the record of a model on another server: an ONNX file begins with another byte."""
    with path.open("rb") as file:
        return file.read(len(KEY) + 2).startswith(f'{{"{KEY}'.encode())


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
