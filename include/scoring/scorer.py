"""Rows in, scores out: the one function that a plain loop and Ray Data both map over the batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from include.core.scratch import scratch_folder
from include.model_contract.encoder import Encoder
from include.model_contract.model import Model, open_model
from include.model_contract.remote import ONNX
from include.problems.of import of_params
from include.scoring.scored import table

BATCH_ROWS = 4096  # fixed: the same rows in the same batches give the same bits, wherever they are scored


@dataclass(frozen=True)
class Scorer:
    """A version's model and signature as bytes, so that a worker on another machine needs no shared folder."""

    model: bytes
    signature: bytes
    version: int | None
    problem: Mapping[str, Any] | None = None  # as a request's parameters have it; None: plain binary
    threshold: float | None = None
    file: str = ONNX  # what the model's file is called
    keys: tuple[str, ...] = ()  # of the entity, which stand beside its score
    environ: Mapping[str, str] | None = field(default=None, repr=False)  # of this process, for a remote model

    def __getstate__(self) -> dict[str, Any]:
        """For another machine, which has its own environment: no secret goes with the model."""
        return {**self.__dict__, "environ": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows as include/scoring/scored.py has them, in their order. Raises DataError for outputs that are none."""
        outputs = self._model.score(self._encoder.encode_table(rows))
        problem = of_params({"problem": self.problem, "threshold": self.threshold})
        return table(problem, rows, outputs, self.version, self.keys)

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.from_json(json.loads(self.signature))

    @cached_property
    def _model(self) -> Model:
        with scratch_folder() as folder:
            path = folder / self.file
            path.write_bytes(self.model)
            return open_model(path, self.environ)


def batches(rows: pa.Table) -> Iterator[pa.Table]:
    """Consecutive slices of BATCH_ROWS rows."""
    for start in range(0, rows.num_rows, BATCH_ROWS):
        yield rows.slice(start, BATCH_ROWS)
