"""What `slipstream gc` finds: something that nobody needs any more, and what is done about it now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from include.core.json_types import Json


class Kind(StrEnum):
    VERSION = "version"  # of a model, that its rule keeps no longer
    RESULT = "result"  # of the ledger, that nothing refers to
    ATTEMPT = "attempt"  # of the ledger: tries that came to no result
    CHECKPOINTS = "checkpoints"  # of trainings whose result is there
    METRICS = "metrics"  # spools that the tracking server has
    SCRATCH = "scratch"  # folders of processes that are gone
    JOB = "job"  # logs of jobs that are over
    PREDICTIONS = "predictions"  # the log beyond its retention
    RAW = "raw"  # partitions beyond theirs
    SCORES = "scores"  # partitions of the table of scores beyond theirs
    ANSWERS = "answers"  # of predictions that were asked for and kept, beyond their days


@dataclass(frozen=True)
class Finding:
    """One thing. `frees`: whether its bytes are free once `act` has run; else a later run goes on with it.

    `act` is repeated at will, and returns whether it did what the step says.
    """

    kind: Kind
    name: str
    step: str
    """What is done now, in a word: `condemned`, `withdrawn`, `removed`, `lifted`, `given up`, `recorded`."""
    bytes: int
    files: int
    frees: bool
    act: Callable[[], bool] = field(repr=False, compare=False, default=lambda: False)
    why: str = ""
    """Of a version: why it goes."""

    def to_json(self) -> dict[str, Json]:
        said: dict[str, Json] = {"kind": str(self.kind), "name": self.name, "step": self.step}
        return {**said, "bytes": self.bytes, "files": self.files, "why": self.why}
