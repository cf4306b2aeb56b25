"""Writing the prediction log: one JSON line a record, written before the response is sent.

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
from collections.abc import Sequence
from pathlib import Path

import msgspec

from include.core.entity_key import entity_key, pseudonyms
from include.core.errors import one_line
from include.core.machine import gateway_id
from include.core.time import now
from include.prediction_log.layout import folder, new_segment_names
from include.prediction_log.record import Record

logger = logging.getLogger(__name__)
SEGMENT_BYTES = 64 << 20
SEGMENT_SECONDS = 3600.0
SYNC_SECONDS = 0.9  # The sync itself takes time, too: together they stay within a second.


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
        self._folder, self._gateway = folder(home, model), gateway_id(home)
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
                self._open_segment()
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

    def _open_segment(self) -> None:
        self._retire()
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in new_segment_names(now(), os.getpid(), self._gateway):
            try:
                self._handle = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            except FileExistsError:  # a second one within a second
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
