"""Training metrics that outlive a kill and an outage of the tracking server: a log of numbered batches.

    {folder}/000000001   its digest, then rows [step, milliseconds, {metric: value}] as JSON
             000000002   ...

A writer makes the next batch by exclusive create, so it has read every batch before its own: a metric enters the
log once a step, whoever else writes (a worker and its driver, a zombie and its retry), and its time is fixed with
it. A reader that sends a row twice therefore sends the same row, which MLflow drops.

Rows wait in memory for the next batch. Until then they are part of each checkpoint (`pending`, `restore`): what a
kill loses belongs to steps that are done again, and durability costs the training no write of its own.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from include.core.digest import digest_bytes
from include.core.errors import SlipstreamError, SpecError
from include.core.storage import Storage

log = logging.getLogger(__name__)

Row = list[Any]  # [step, milliseconds since 1970 UTC, {metric: value}]
FLUSH_SECONDS = 5.0  # a batch is a file: a day of training makes 17,000, and MLflow's page lags by as much


@dataclass
class MetricSpool:
    """The metrics of one generation of one training. Any number of threads and processes may append."""

    storage: Storage
    folder: str
    flush_seconds: float = FLUSH_SECONDS
    _buffer: list[Row] = field(default_factory=list, init=False, repr=False)
    _known: dict[str, set[int]] = field(default_factory=dict, init=False, repr=False)
    _next: int = field(default=1, init=False, repr=False)
    _buffering: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _flusher: threading.Thread | None = field(default=None, init=False, repr=False)

    # -- writing -------------------------------------------------------------------------------------

    def append(self, metrics: Mapping[str, float], step: int) -> None:
        """Take the metrics of a step, at this moment. Costs microseconds: a thread writes them.

        Raises SpecError for a metric without a name.
        """
        if not all(metrics):
            raise SpecError(
                "A metric without a name was logged.", seen=sorted(metrics), safe="checkpoints are kept.", hint="name it."
            )
        row: Row = [int(step), time.time_ns() // 1_000_000, {name: float(value) for name, value in metrics.items()}]
        self.restore([row])

    def restore(self, rows: Sequence[Row]) -> None:
        """Take rows with their own times: those that waited when a checkpoint was made. Known ones are dropped."""
        with self._buffering:
            self._buffer.extend(rows)
            if self._flusher is None and rows:
                self._flusher = threading.Thread(target=self._keep_flushing, name="metric-spool", daemon=True)
                self._flusher.start()

    def pending(self) -> list[Row]:
        """The rows that are in no batch yet. A checkpoint must hold them."""
        with self._buffering:
            return list(self._buffer)

    def flush(self) -> None:
        """Write what waits as one batch, durably. Raises StorageFullError or UnreachableError; the rows go on waiting."""
        with self._flushing:
            rows = self.pending()
            if rows:
                self._write(rows)
            with self._buffering:
                del self._buffer[: len(rows)]

    def close(self) -> None:
        """Stop the thread and flush."""
        self._closed.set()
        if self._flusher is not None:
            self._flusher.join()
        self.flush()

    def _keep_flushing(self) -> None:
        warned = False
        while not self._closed.wait(self.flush_seconds):
            try:
                self.flush()
                warned = False
            except (SlipstreamError, OSError) as error:  # training does not stop for its metrics; close() raises
                if not warned:
                    log.warning("metrics wait in memory: %s", error)
                warned = True

    def _write(self, rows: Sequence[Row]) -> None:
        while True:
            for number, batch in self.read(self._next - 1):
                self._note(batch)
                self._next = number + 1
            fresh = self._fresh(rows)
            if not fresh:
                return
            if self.storage.create(self._path(self._next), encode(fresh)):
                self._note(fresh)
                self._next += 1
                return

    def _fresh(self, rows: Sequence[Row]) -> list[Row]:
        """The rows without what the log holds, and without a second value for one metric and step."""
        taken: set[tuple[str, int]] = set()
        fresh: list[Row] = []
        for step, at, metrics in rows:
            new = {n: v for n, v in metrics.items() if step not in self._known.get(n, ()) and (n, step) not in taken}
            taken.update((name, step) for name in new)
            if new:
                fresh.append([step, at, new])
        return fresh

    def _note(self, rows: Sequence[Row]) -> None:
        for step, _, metrics in rows:
            for name in metrics:
                self._known.setdefault(name, set()).add(step)

    # -- reading -------------------------------------------------------------------------------------

    def read(self, after: int = 0) -> Iterator[tuple[int, list[Row]]]:
        """Batches after number `after`, in order. A damaged one is skipped with a message, as an empty batch."""
        number = after + 1
        while True:
            try:
                data = self.storage.read(self._path(number))
            except FileNotFoundError:
                return
            rows = decode(data)
            if rows is None:
                log.warning("metric batch %s skipped: its bytes do not match their digest", self.storage.uri(self._path(number)))
            yield number, rows or []
            number += 1

    def _path(self, number: int) -> str:
        return f"{self.folder}/{number:09d}"


def encode(rows: Sequence[Row]) -> bytes:
    body = json.dumps(rows, separators=(",", ":")).encode()
    return digest_bytes(body).encode() + b"\n" + body


def decode(data: bytes) -> list[Row] | None:
    """The rows of a batch, or None if a byte of it changed."""
    digest, _, body = data.partition(b"\n")
    if digest != digest_bytes(body).encode():
        return None
    rows: list[Row] = json.loads(body)
    return rows
