"""The shadow: a copy of each request, scored after the response is sent, in a thread of its own.

It can neither slow nor fail a response: the queue is bounded and what does not fit is dropped and counted.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.serving.log import PredictionLog, Record, timestamp
from include.serving.metrics import Metrics
from include.serving.model import LoadedModel, ModelError

log = logging.getLogger(__name__)
QUEUE = 1000


@dataclass(frozen=True)
class Copy:
    """A request to score once more: the features as the answering model saw them, and its record."""

    model: str
    shadow: LoadedModel
    features: Mapping[str, Any]
    answered: Record
    log: PredictionLog


class ShadowWorker:
    def __init__(self, metrics: Metrics, size: int = QUEUE) -> None:
        self._metrics = metrics
        self._queue: queue.Queue[Copy | None] = queue.Queue(size)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._stopping = False

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """Score what is queued, for at most that long; a sleeping shadow is left behind."""
        self._stopping = True
        with contextlib.suppress(queue.Full):  # the worker looks at the flag after each copy
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(timeout=seconds)

    def offer(self, copy: Copy) -> None:
        """Never waits."""
        try:
            self._queue.put_nowait(copy)
        except queue.Full:
            self._metrics.shadow.add(copy.model, str(copy.shadow.version), "dropped")

    def _run(self) -> None:
        while (copy := self._queue.get()) is not None:
            try:
                self._score(copy)
            except Exception as error:  # noqa: BLE001 - nothing may end this thread
                log.warning("the shadow of %s was not logged: %s", copy.model, error)
            if self._stopping and self._queue.empty():
                return

    def _score(self, copy: Copy) -> None:
        score, error = None, None
        try:
            score = copy.shadow.score_row(copy.features)
        except ModelError as problem:
            error = problem.what
        version = copy.shadow.version
        self._metrics.shadow.add(copy.model, str(version), "failed" if error else "scored")
        copy.log.write([shadow_record(copy.answered, version, score, error)])


def shadow_record(answered: Record, version: int, score: float | None, error: str | None) -> Record:
    """The pair as evidence: what the shadow said, and what the caller was told."""
    return Record(
        kind="shadow", id=answered.id, at=timestamp(), unit=answered.unit, version=version, score=score, error=error,
        against=answered.score, against_version=answered.version, generation=answered.generation,
    )  # fmt: skip
