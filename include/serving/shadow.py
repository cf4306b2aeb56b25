"""The shadow: a copy of each request, scored after the response is sent, in a process of its own.

It can neither slow nor fail a response: a full socket drops the copy (counted), a crash of the model's runtime is
another process's, and that process yields the processor. It starts with the first copy and ends with the gateway.
Both ends are here; include/gateway/shadow.py is the process's command.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from include.core.errors import TransientError, one_line
from include.core.scratch import scratch_folder
from include.core.time import precise
from include.prediction_log.record import SHADOW, Record
from include.prediction_log.writer import PredictionLog
from include.serving.models.answers import Output
from include.serving.models.loaded_model import AwayError, LoadedModel, ModelError, Unanswered
from include.serving.ranking.overlap import ListCopy
from include.serving.telemetry.counters import Metrics
from include.serving.telemetry.shared_memory import SharedMemory

log = logging.getLogger(__name__)
OPTIONS = ("--socket", "--memory", "--arena")  # of its command: two descriptors, and which arena of the shared memory is its
BUFFER = 1 << 20  # bytes of copies that may wait; the kernel may grant less
RESTART_SECONDS = 5.0  # before a shadow process that died is started again
FRAME = 200  # copies a message
GATHERED, WAIT_SECONDS = 64, 0.005  # iterations of the event loop that a message of the log's lines may gather
STOP_SECONDS = 10.0  # it may just have started: importing and loading take some, at this priority more
_decode_lines = msgspec.json.Decoder(Record).decode_lines
_LENGTH = struct.Struct("<I")


class Copy(msgspec.Struct, array_like=True, gc=False):
    """A request to score once more: the features as the answering model saw them, and what was answered."""

    version: int  # of the shadow
    id: str
    unit: str
    generation: int
    score: float | None
    answered: int | None  # version
    features: dict[str, Any]
    outputs: list[float] | None = None  # all of them, where they are several
    place: int | None = None  # of a candidate in its list
    at: str = ""  # when it was asked: candidates of one list share it


def copy_of(record: Record, version: int, features: dict[str, Any]) -> Copy:
    """Of what was answered, for a shadow of that version."""
    return Copy(
        version, record.id, record.unit, record.generation, record.score, record.version, features, record.outputs, record.place,
        record.at,
    )  # fmt: skip


class Frame(msgspec.Struct, array_like=True):
    """Copies for several versions; or, for one, the lines of the log as they are: nothing is encoded twice."""

    model: str
    copies: list[Copy] = []
    version: int = 0
    lines: bytes = b""
    lists: list[ListCopy] = []


class Shadow:
    """The gateway's end. Used by the event loop only."""

    def __init__(self, metrics: Metrics, memory: SharedMemory, arena: int, command: Sequence[str]) -> None:
        self._metrics, self._memory, self._arena, self._command = metrics, memory, arena, command
        self._encode = msgspec.msgpack.Encoder().encode
        self._socket: socket.socket | None = None
        self._rest = b""  # of a message that the socket took in part
        self._process: subprocess.Popen[bytes] | None = None
        self._starter: threading.Thread | None = None
        self._not_before = 0.0
        self._waiting: dict[tuple[str, int], list[tuple[bytes, int]]] = {}  # lines and how many, batch by batch
        self._timed = False

    def offer(self, model: str, copies: list[Copy], whole: bool = False) -> None:
        """Never waits, never raises. `whole`: in one message, for candidates that are placed among each other."""
        size = len(copies) if whole else FRAME
        for start in range(0, len(copies), size):
            some = copies[start : start + size]
            if not self._send(self._encode(Frame(model, some))):
                for copy in some:
                    self._metrics.shadow.add(model, str(copy.version), "dropped")

    def offer_list(self, model: str, copy: ListCopy) -> None:
        """The same for a request for recommendations; never waits, never raises."""
        if not self._send(self._encode(Frame(model, lists=[copy]))):
            self._metrics.shadow.add(model, str(copy.version), "dropped", by=len(copy.shown))

    def offer_lines(self, model: str, version: int, lines: bytes, count: int) -> None:
        """The same for what the log has just taken; never waits, never raises.

        They go a few milliseconds later, with those of the batches between: each message wakes another process.
        """
        waiting = self._waiting.setdefault((model, version), [])
        waiting.append((lines, count))
        if len(waiting) >= GATHERED:
            self._flush()
        elif not self._timed:
            self._timed = True
            asyncio.get_running_loop().call_later(WAIT_SECONDS, self._due)

    def _due(self) -> None:
        self._timed = False
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for (model, version), batches in waiting.items():
            if not self._send(self._encode(Frame(model, [], version, b"".join([lines for lines, _ in batches])))):
                self._metrics.shadow.add(model, str(version), "dropped", by=sum(count for _, count in batches))

    def _send(self, data: bytes) -> bool:
        if self._socket is None and not self._start():
            return False
        assert self._socket is not None
        try:
            if self._rest:
                self._rest = self._rest[self._socket.send(self._rest) :]
                if self._rest:
                    return False
            message = _LENGTH.pack(len(data)) + data
            self._rest = message[self._socket.send(message) :]
        except BlockingIOError:
            return False
        except OSError as error:  # it died
            log.warning("the shadow process ended: %s", one_line(error))
            self._socket.close()
            self._socket, self._rest = None, b""
            return False
        return True

    def _start(self) -> bool:
        """Open the socket at once, so that copies queue there while the process starts in a thread."""
        if time.monotonic() < self._not_before:
            return False
        self._not_before = time.monotonic() + RESTART_SECONDS
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._socket = ours
        self._starter = threading.Thread(target=self._spawn, args=(theirs,), name="shadow-start", daemon=True)
        self._starter.start()
        return True

    def _spawn(self, theirs: socket.socket) -> None:
        memory = self._memory.fd
        values = (theirs.fileno(), memory, self._arena)
        told = [word for name, value in zip(OPTIONS, values, strict=True) for word in (name, str(value))]
        with theirs:
            self._process = subprocess.Popen([*self._command, *told], pass_fds=(theirs.fileno(), memory))

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Let it score what is queued, for at most that long; what it has not scored by then is lost, and logged so."""
        self._flush()
        if self._starter is not None:
            self._starter.join(timeout=seconds)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                log.warning("the shadow process was not done within %g s: copies that waited were not scored", seconds)
                self._process.kill()
                self._process.wait(seconds)


def shadow_record(copy: Copy, score: float | None, error: str | None) -> Record:
    """The pair as evidence: what the shadow said, and what the caller was answered."""
    return Record(
        kind=SHADOW, id=copy.id, at=precise(), unit=copy.unit, version=copy.version, score=score, error=error,
        against=copy.score, against_version=copy.answered, generation=copy.generation, against_outputs=copy.outputs,
        against_place=copy.place,
    )  # fmt: skip


# -- the process -----------------------------------------------------------------------------------------

Load = Callable[[str, int, Path], LoadedModel]
MakeList = Callable[[str, LoadedModel, ListCopy], list[Record]]


class Scorer:
    """Scores frames, logs and counts them."""

    def __init__(self, load: Load, home: Path, scratch: Path, metrics: Metrics, lists: MakeList | None = None) -> None:
        """`lists` makes the shadow's own list of a copy; without it copies of lists are dropped."""
        self._load, self._home, self._scratch, self._metrics, self._lists = load, home, scratch, metrics, lists
        self._loaded: dict[tuple[str, int], LoadedModel | None] = {}
        self._logs: dict[str, PredictionLog] = {}
        self._away: dict[tuple[str, int], float] = {}  # when the server of a remote version is asked again

    def take(self, frame: Frame) -> None:
        by_version: dict[int, list[Copy]] = {}
        for copy in frame.copies or _copies(frame):
            by_version.setdefault(copy.version, []).append(copy)
        for version, copies in by_version.items():
            loaded = self._model(frame.model, version)
            self._keep(frame.model, version, _score(loaded, copies) if loaded else [], len(copies))
        for each in frame.lists:
            loaded = self._model(frame.model, each.version)
            made = self._lists(frame.model, loaded, each) if loaded and self._lists else []
            self._keep(frame.model, each.version, made, len(each.shown))

    def _keep(self, model: str, version: int, records: list[Record], offered: int) -> None:
        """Count and log what became of so many copies."""
        for record in records:
            self._metrics.shadow.add(model, str(version), "failed" if record.error else "scored")
        self._metrics.shadow.add(model, str(version), "dropped", by=offered - len(records))
        if records:
            self._logs.setdefault(model, PredictionLog(self._home, model)).write(records)

    def _model(self, model: str, version: int) -> LoadedModel | None:
        """None for one that cannot be loaded: the gateway itself refuses the route of such a version."""
        key = (model, version)
        if key not in self._loaded:
            if time.monotonic() < self._away.get(key, 0.0):
                return None
            if len(self._loaded) > 8:  # versions come and go
                self._loaded.clear()
            try:
                with scratch_folder(self._scratch) as folder:
                    self._loaded[key] = self._load(model, version, folder)
            except TransientError as error:  # a store does not answer: the next copy tries again
                log.warning("%s version %d was not loaded: %s", model, version, one_line(error))
                return None
            except AwayError as error:
                log.warning("%s version %d was not loaded: %s", model, version, one_line(error))
                self._away[key] = time.monotonic() + RESTART_SECONDS
                return None
            except Exception as error:  # noqa: BLE001 - nothing may end this process
                log.error("%s version %d cannot be a shadow: %s", model, version, one_line(error))
                self._loaded[key] = None
        return self._loaded[key]


def _copies(frame: Frame) -> list[Copy]:
    records = _decode_lines(frame.lines)
    return [copy_of(record, frame.version, record.features) for record in records]


def _score(loaded: LoadedModel, copies: list[Copy]) -> list[Record]:
    try:
        outputs = loaded.score_all([copy.features for copy in copies])
        records = _said(loaded, copies, outputs)
    except Unanswered as error:  # no row is to blame, and each would wait as long
        records = [shadow_record(copy, None, error.what) for copy in copies]
    except ModelError:
        records = [_score_one(loaded, copy) for copy in copies]
    _place(copies, records)
    return records


def _score_one(loaded: LoadedModel, copy: Copy) -> Record:
    try:
        return _said(loaded, [copy], [loaded.score_row(copy.features)])[0]
    except ModelError as error:
        return shadow_record(copy, None, error.what)


def _said(loaded: LoadedModel, copies: list[Copy], outputs: Sequence[Output]) -> list[Record]:
    """What the shadow says to each copy."""
    if loaded.answers is None:
        return [shadow_record(copy, score, None) for copy, score in zip(copies, cast(list[float], outputs), strict=True)]
    records = [shadow_record(copy, None, None) for copy in copies]
    loaded.answers.fill(records, [copy.features for copy in copies], outputs)
    return records


def _place(copies: list[Copy], records: list[Record]) -> None:
    """Fill in the shadow's own place of each candidate, in lists that it has scored as a whole."""
    for candidates in _lists(copies):
        some = [records[at] for at in candidates]
        if all(record.score is not None for record in some):
            for place, record in enumerate(sorted(some, key=lambda record: -cast(float, record.score))):
                record.place = place


def _lists(copies: list[Copy]) -> list[list[int]]:
    """Which copies are one whole list: those of one moment and unit, with every place once.

    A list that was asked twice in one turn begins anew where a place comes again; what is then not whole is left out.
    """
    found: list[list[int]] = []
    current: dict[tuple[str, str], tuple[list[int], set[int]]] = {}
    for at, copy in enumerate(copies):
        if copy.place is None:
            continue
        who = copy.at, copy.unit
        if who not in current or copy.place in current[who][1]:
            current[who] = [], set()
            found.append(current[who][0])
        current[who][0].append(at)
        current[who][1].add(copy.place)
    return [each for each in found if max(cast(int, copies[at].place) for at in each) == len(each) - 1]


def frames(stream: Any) -> Iterator[Frame]:
    """Frames until the gateway closes its end."""
    decode = msgspec.msgpack.Decoder(Frame).decode
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        data = stream.read(length)
        if len(data) < length:
            return
        yield decode(data)


def score_frames(stream: Any, scorer: Scorer) -> None:
    """Until the gateway closes its end. Nothing that a frame holds ends the process."""
    for frame in frames(stream):
        try:
            scorer.take(frame)
        except Exception as error:  # noqa: BLE001 - nothing may end this process
            log.warning("copies of %s were not scored: %s", frame.model, one_line(error))
