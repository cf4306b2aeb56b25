"""What a model's `fit` receives: encoded rows, parameters, a place for checkpoints, a path for the model."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError, SpecError
from include.core.needs import Needs
from include.core.spec import PrivateTraining
from include.metrics.arrays import Groups
from include.model_contract.batch import Columns, Encoded
from include.model_contract.encoder import Encoder
from include.model_contract.input import Input as Contract
from include.problems.of import of_params
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.retrieval.version import FILES
from include.training.checkpoint import CheckpointStore
from include.training.interruptions import Interruption
from include.training.rung import Rung
from include.training.spool import MetricSpool
from include.training.warm_start import WEIGHTS, Begun, Champion

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
BATCH = 1 << 16  # rows that a fit gets at once where it asks for batches


@dataclass(frozen=True)
class Input:
    """One place of the features. `size`: codes a category can take (0 is unknown), 0 for a number."""

    name: str
    size: int = 0

    @property
    def is_category(self) -> bool:
        return self.size > 0


@dataclass(frozen=True)
class Rows:
    """Encoded rows: `features` float32 [n, inputs] (NaN is missing), `labels` float32 [n]: 0 or 1, a number, a class's place, a
    relevance.

    `weights` float32 [n]: how much each counts, where they do not count alike. `queries` int64 [n]: of a ranking, rows of one
    list have the same number and stand together. `days` int64 [n]: whole days since 1970 in UTC.
    `columns`: the rows of a model that takes columns (`training.inputs`), an array an input by its name, texts as text; None
    of one that takes one tensor. `features` holds what of them is numbers then.
    """

    features: Floats
    labels: Floats
    columns: Columns | None = None
    weights: Floats | None = None
    queries: Groups | None = None
    days: Groups | None = None

    @property
    def given(self) -> Encoded:
        """The rows as the model is given them."""
        return self.features if self.columns is None else self.columns

    def truth(self) -> Truth:
        """What losses and metrics ask of them."""
        weights = None if self.weights is None else self.weights.astype(np.float64)
        return Truth(self.labels.astype(np.float64), weights, self.days, self.queries)

    def last(self, count: int) -> Rows:
        """So many of the newest; of a list all or nothing, so that it may be a few less."""
        start = max(0, len(self) - count)
        if self.queries is not None and start:
            while start < len(self) and self.queries[start] == self.queries[start - 1]:
                start += 1
        return self.cut(slice(start, None))

    def cut(self, which: slice) -> Rows:
        """Some of them that stand together."""
        columns = None if self.columns is None else self.columns[which]
        weights = None if self.weights is None else self.weights[which]
        queries, days = (None if each is None else each[which] for each in (self.queries, self.days))
        return Rows(self.features[which], self.labels[which], columns, weights, queries, days)

    def batches(self, rows: int = BATCH) -> Iterator[Rows]:
        """All of them, so many at a time. A set of more than `training.memory_rows` is read like this alone."""
        for start in range(0, len(self), rows):
            yield self.cut(slice(start, start + rows))

    def sample(self) -> Rows:
        """Rows for statistics of the inputs: all of them; of a set that does not fit into memory a random sample."""
        return self

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TrainingJob:
    """Handed to the spec's `training.fit`, which must write an ONNX file to `model_path`.

    That file takes `features` float32 [n, inputs], or an input a column where `training.inputs` says so, and returns what the
    `problem` asks for: `score` float32 [n], the probability of the positive class; or `outputs`, each [n] by its name, or all of
    them as one tensor [n, k]. `checkpoints` outlives a kill: the next attempt of the same training sees it.
    """

    train: Rows
    validation: Rows  # the newest part of the training window; never the holdout
    signature: Mapping[str, Any]
    params: Mapping[str, Any]
    checkpoints: CheckpointStore
    model_path: Path
    seed: int = 7
    workers: int = 1  # at most
    minimum_workers: int | None = None  # where they may come and go; None: as many as `workers`
    spool: MetricSpool | None = None  # where metrics are kept for live tracking, if they are
    rung: Rung | None = None  # of a trial of a search: where the fit is measured, and leaves
    champion: Champion | None = None  # what the fit is to begin from, where it can
    keeps_weights: bool = False  # whether it is to leave its weights at `weights_path`, for those that begin from them
    needs: Needs = field(default_factory=Needs)  # machines and time that this attempt was given
    wanted_precision: str = "32"  # as the spec says it; a fit reads `precision`
    wanted_strategy: str = "ddp"  # as the spec says it; a fit reads `strategy`
    offload: bool = False  # with the strategy `fsdp`
    wanted_privacy: PrivateTraining | None = None  # as the spec says it; a fit reads `privacy`
    history: list[dict[str, float]] = field(default_factory=list, init=False)
    expected: list[Floats] = field(default_factory=list, init=False)
    shipped: dict[str, Path] = field(default_factory=dict, init=False)
    interruptions: list[Interruption] = field(default_factory=list, init=False)
    taken: set[str] = field(default_factory=set, init=False)  # which of the spec's wishes the fit has read
    spent: dict[str, Any] = field(default_factory=dict, init=False)  # of its privacy, said by a fit that reads it
    begun: list[Begun] = field(default_factory=list, init=False)  # how it began, said by a fit that knows of champions

    @property
    def precision(self) -> str:
        """In which numbers to compute: `32`, `bf16` or `16-mixed`. A fit that never asks is refused any other than `32`."""
        self.taken.add("precision")
        return self.wanted_precision

    @property
    def weights_path(self) -> Path:
        """Where the fit leaves its trained weights, in a form that it reads itself."""
        return self.model_path.with_name(WEIGHTS)

    @property
    def strategy(self) -> str:
        """How workers share the model: `ddp` or `fsdp`. A fit that never asks is refused any other than `ddp`."""
        self.taken.add("strategy")
        return self.wanted_strategy

    @property
    def privacy(self) -> PrivateTraining | None:
        """The budget of a fit by DP-SGD, which says what it spent in `spent`. A fit that never asks is refused any."""
        self.taken.add("privacy")
        return self.wanted_privacy

    @property
    def label(self) -> str:
        return str(self.signature["label"])

    @property
    def problem(self) -> Problem:
        """What the labels are, and what the model is to say of them."""
        return of_params(self.signature)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the model gives, in their order."""
        return self.problem.outputs

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The places of the features, in order: a vector has as many as numbers, a text none."""
        known = (Contract.from_json(item) for item in self.signature["inputs"])
        return tuple(Input(name, each.cardinality) for each in known for name in each.places)

    @property
    def named(self) -> bool:
        """Whether the model takes an input a column (`training.inputs="columns"`)."""
        return self.signature.get("form") == "columns"

    @property
    def encoder(self) -> Encoder:
        """What makes the model's rows of values by name, in training and in serving."""
        return Encoder.from_json(self.signature)

    def require_taken(self) -> None:
        """Raises SpecError where the fit has not asked for what the spec wants: its result is of another."""
        if self.wanted_precision != "32" and "precision" not in self.taken:
            raise SpecError(
                f"training.fit computes in its own precision: it has not asked for training.precision {self.wanted_precision!r}.",
                safe="the model that it wrote is not taken; the training set and older versions are as they were.",
                hint='leave training.precision at "32", or have the fit read job.precision and compute in it.',
            )
        if self.wanted_strategy != "ddp" and "strategy" not in self.taken:
            raise SpecError(
                f"training.fit does not share its model out to workers, as training.strategy {self.wanted_strategy!r} asks for.",
                safe="the model that it wrote is not taken; the training set and older versions are as they were.",
                hint='fit a LightningModule by include.backends.ray.train:fit_lightning, or leave training.strategy at "ddp".',
            )

        if self.wanted_privacy is not None and not ("privacy" in self.taken and self.spent):
            raise SpecError(
                "training.fit does not train with differential privacy, as training.privacy asks for.",
                safe="the model that it wrote is not taken; the training set and older versions are as they were.",
                hint="fit a LightningModule by include.backends.ray.train:fit_lightning, or leave training.privacy out.",
            )

    def report(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a row to the history that the result and the evaluation report show, and to live tracking."""
        row = {name: round(float(value), 6) for name, value in metrics.items() if math.isfinite(float(value))}
        self.history.append({"step": step, **row})
        if self.spool is not None:
            self.spool.append(row, step)
        log.info("step %d: %s", step, row)

    def expect(self, scores: Floats) -> None:
        """The trained model's own outputs of `validation` [n] or [n, k]: the ONNX file is refused unless it gives the same."""
        self.expected.append(np.asarray(scores, dtype=np.float32))

    def ship(self, files: Mapping[str, Path]) -> None:
        """Files that the version brings beside its model, as `include.retrieval.version:write_retrieval` has written them.

        Raises DataError for a file of another name: nothing would read it.
        """
        unknown = sorted(set(files) - set(FILES))
        if unknown:
            raise DataError("A version cannot bring these files.", seen=unknown, hint=f"it may bring {', '.join(FILES)}.")
        self.shipped.update(files)
