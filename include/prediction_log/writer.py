"""The prediction log: one JSON line a record, written before the response is sent.

    <home>/predictions/{model}/{YYYYMMDD-HHMMSS-pid}.jsonl       a segment: a process writes it
    <home>/predictions/{model}/date=YYYY-MM-DD/{segment}.parquet  what became of it (include/prediction_log/rotation.py)

One write to an O_APPEND file an iteration of the event loop: the bytes are the kernel's before any caller of it
has an answer, so kill -9 loses no record of an answered request. A thread syncs once a second: a power cut loses
at most that. A segment is closed at a size or an age; a new process always opens a new one. The writer holds a lock
on its segment, which the kernel drops with the process: an unlocked segment is complete.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from include.core.entity_key import entity_key, pseudonyms
from include.core.errors import one_line
from include.core.time import instant, now, precise
from include.core.versioned import FIRST, Format

logger = logging.getLogger(__name__)
SEGMENT_BYTES = 64 << 20
SEGMENT_SECONDS = 3600.0
SYNC_SECONDS = 0.9  # and the sync itself: within a second
FORMAT = Format("a record of the prediction log")


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
    unit: str = ""  # hash of the entity, keyed by a secret of the installation: counting once per entity survives redaction
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
    explored: str = ""  # why the champion's score did not decide: "challenger" (a canary's arm), "random"; else empty
    decision: int | None = None  # that was answered, where it was drawn at random; else it follows from the score
    v: int = FIRST  # version of the line's format; the first one is not written out


def folder(home: Path, model: str) -> Path:
    return home / "predictions" / model


class Syncer:
    """Syncs the logs of a process once a second, in a thread."""

    def __init__(self) -> None:
        self.logs: dict[str, PredictionLog] = {}  # by model; entries are only ever added
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close every log, synced."""
        self._stop.set()
        self._thread.join(timeout=10)
        for log in self.logs.values():
            log.close()

    def _run(self) -> None:
        while not self._stop.wait(SYNC_SECONDS):
            for log in list(self.logs.values()):
                try:
                    log.sync()
                except OSError as error:
                    logger.error("the prediction log was not synced: %s", one_line(error))


class PredictionLog:
    """Appends to one model's segments. `write` may be called from any thread.

    OSError (a full disk) goes to the caller, who answers all the same and says so.
    """

    def __init__(self, home: Path, model: str, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder(home, model)
        self.pseudonym = pseudonyms(entity_key(home))  # what stands in a record's `unit` for an entity's hash
        self._limit = segment_bytes
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._size = 0
        self._opened = 0.0
        self._synced = 0  # bytes of the segment that are on the disk
        self._retired: list[int] = []  # full segments that are still to be synced and closed

    def write(self, records: Sequence[Record]) -> int:
        """The bytes written, now the kernel's."""
        return self.append(self.encode(records))

    def encode(self, records: Sequence[Record]) -> bytes:
        """As lines."""
        return self._encoder.encode_lines(records)

    def append(self, data: bytes) -> int:
        """Whole lines, in one write."""
        with self._lock:
            if self._handle is None or self._size + len(data) > self._limit:
                self._rotate()
            assert self._handle is not None
            written = os.write(self._handle, data)
            self._size += written
            if written < len(data):  # the disk is full: end the half line, so that the next one is whole
                self._retire()
                raise OSError(28, f"only {written} of {len(data)} bytes of the prediction log fit on the disk")
        return written

    def sync(self) -> None:
        """Bring what was written to the disk, and close a segment that is old. Called once a second, by a thread.

        The lock is not held while the disk works.
        """
        with self._lock:
            if self._handle is not None and time.monotonic() - self._opened > SEGMENT_SECONDS:
                self._retire()
            retired, self._retired = self._retired, []
            if self._handle is not None and self._synced < self._size:
                self._synced = self._size
                retired.append(os.dup(self._handle))
        _sync_and_close(retired)

    def close(self) -> None:
        with self._lock:
            self._retire()
            retired, self._retired = self._retired, []
        _sync_and_close(retired)

    def _retire(self) -> None:
        """Leave the segment; whoever syncs next closes it: no caller waits for the disk."""
        if self._handle is not None:
            self._retired.append(self._handle)
            self._handle = None

    def _rotate(self) -> None:
        self._retire()
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{now():%Y%m%d-%H%M%S}-{os.getpid()}"
        for suffix in ("", *(f"-{n:04d}" for n in range(1, 10_000))):
            try:
                path = self._folder / f"{stem}{suffix}.jsonl"
                self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            except FileExistsError:  # rotated twice within a second
                continue
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            self._size = self._synced = 0
            self._opened = time.monotonic()
            return


def _sync_and_close(handles: list[int]) -> None:
    for handle in handles:
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)


def segments(home: Path, model: str, since: str | None = None) -> list[Path]:
    """The files that are written, oldest first; with `since` (ISO 8601, UTC) only those written to at or after it."""
    return recent(sorted(folder(home, model).glob("*.jsonl"), key=lambda file: file.stem), since)


def recent(files: Iterable[Path], since: str | None) -> list[Path]:
    """Those written to at or after `since` (ISO 8601, UTC). One that was rotated since it was listed is kept."""
    if since is None:
        return list(files)
    start = instant(since).timestamp() - 1  # a file's time comes from a coarser clock than a record's
    return [file for file in files if _written(file) >= start]


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def parts(home: Path, model: str, first_day: str = "") -> tuple[list[Path], list[Path]]:
    """The log: its segments, and the Parquet files from that day on, oldest first, of segments that are no more.

    The segments are listed first: one that is rotated meanwhile shows in both lists or in the first, never in none.
    A segment that is listed counts, not its copies.
    """
    written = segments(home, model)
    stems = {segment.stem for segment in written}
    days = sorted(day for day in folder(home, model).glob("date=*") if day.name.removeprefix("date=") >= first_day)
    return written, [file for day in days for file in sorted(day.glob("*.parquet")) if file.stem not in stems]


def copies(segment: Path) -> list[Path]:
    """The Parquet files of a segment, oldest day first."""
    return sorted(segment.parent.glob(f"date=*/{segment.stem}.parquet"))


def known(record: Record) -> Record:
    """The record, if this release knows its format. Raises PermanentError for one of a later release."""
    if record.v != FORMAT.version:
        FORMAT.check(record.v, record.id)
    return record


def read_records(home: Path, model: str, since: str | None = None) -> Iterator[Record]:
    """Records in the order they were written, those at or after `since` (ISO 8601, UTC).

    Half a line, which a full disk or a power cut can leave, is skipped.
    """
    decoder = msgspec.json.Decoder(Record)
    start = precise(instant(since)) if since else ""
    for line in _lines(home, model, since, start[:10]):
        try:
            record = decoder.decode(line)
        except msgspec.DecodeError:
            continue
        if record.at >= start:
            yield known(record)


def _lines(home: Path, model: str, since: str | None, first_day: str) -> Iterator[bytes | str]:
    """Of the Parquet files from that day on, then of the segments."""
    import pyarrow.parquet as pq

    written, rotated = parts(home, model, first_day)
    for path in rotated:
        yield from pq.read_table(path, columns=["record"])["record"].to_pylist()
    for path in recent(written, since):
        try:
            with path.open("rb") as lines:
                yield from lines
        except FileNotFoundError:  # rotated since it was listed
            for copy in copies(path):
                yield from pq.read_table(copy, columns=["record"])["record"].to_pylist()
