"""The prediction log: one JSON line a record, written before the response is sent.

    <home>/predictions/{model}/{YYYYMMDD-HHMMSS-pid}.jsonl

One os.write to an O_APPEND file a response: the bytes are the kernel's before the caller has an answer, so
kill -9 loses no record of an answered request (a power cut may lose what was not yet on the disk). A
segment is closed at a size; a new process always opens a new one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SEGMENT_BYTES = 64 << 20


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """A line of the log. Which fields are set depends on `kind`.

    prediction: all but `against*` and `label`. `features` holds every model input by name, before encoding.
    shadow: the copy's `version`, `score`, `error`, and in `against*` what was answered to the caller.
    label: `id` of the prediction and `label`.
    outcome: `id` of the prediction, in `metric` the name of a business metric, in `label` its value.
    """

    kind: str  # prediction, shadow, label, outcome
    id: str
    at: str  # ISO 8601, UTC, microseconds
    event_time: str | None = None  # ISO 8601, UTC, no zone: the moment asked about, by default now
    unit: str = ""  # hash of the entity: counting once per entity survives redaction
    entity: dict[str, str | int] = {}
    features: dict[str, float | str | None] = {}
    version: int | None = None  # that answered; None: the default score
    arm: str = ""  # that the entity belongs to
    score: float | None = None
    against: float | None = None
    against_version: int | None = None
    label: float | None = None
    degraded: list[str] = []
    generation: int = 0  # of the route; 0 where the route could not be applied in full
    latency_us: float = 0.0  # from the decoded request to the score, features included
    error: str | None = None  # why the arm's own model gave no score
    metric: str = ""


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def folder(home: Path, model: str) -> Path:
    return home / "predictions" / model


class PredictionLog:
    """Appends to one model's segments. `write` may be called from any thread.

    OSError (a full disk) goes to the caller, who answers all the same and says so.
    """

    def __init__(self, home: Path, model: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder(home, model)
        self._limit = segment_bytes
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._size = 0

    def write(self, records: Sequence[Record]) -> None:
        data = self._encoder.encode_lines(records)
        with self._lock:
            if self._handle is None or self._size + len(data) > self._limit:
                self._rotate()
            assert self._handle is not None
            written = os.write(self._handle, data)
            self._size += written
            if written < len(data):  # the disk is full: end the half line, so that the next one is whole
                self._close()
                raise OSError(28, f"only {written} of {len(data)} bytes of the prediction log fit on the disk")

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _rotate(self) -> None:
        self._close()
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
        for suffix in ("", *(f"-{n:04d}" for n in range(1, 10_000))):
            try:
                path = self._folder / f"{stem}{suffix}.jsonl"
                self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
            except FileExistsError:  # rotated twice within a second
                continue
            self._size = 0
            return


def segments(home: Path, model: str, since: str | None = None) -> list[Path]:
    """The log's files, oldest first; with `since` (ISO 8601, UTC) only those written to at or after it."""
    files = sorted(folder(home, model).glob("*.jsonl"), key=lambda file: file.stem)
    if since is None:
        return files
    start = datetime.fromisoformat(since).timestamp() - 1  # a file's time comes from a coarser clock than a record's
    return [file for file in files if file.stat().st_mtime >= start]


def read_records(home: Path, model: str, since: str | None = None) -> Iterator[Record]:
    """Records in the order they were written, those at or after `since` (ISO 8601, UTC).

    Half a line, which a full disk or a power cut can leave, is skipped.
    """
    decoder = msgspec.json.Decoder(Record)
    start = datetime.fromisoformat(since).astimezone(UTC).isoformat(timespec="microseconds") if since else ""
    for path in segments(home, model, since):
        with path.open("rb") as lines:
            for line in lines:
                try:
                    record = decoder.decode(line)
                except msgspec.DecodeError:
                    continue
                if record.at >= start:
                    yield record
