"""Shipping the prediction log: what a gateway's workers have written goes from its disk to the storage root, seconds later.

Whole lines go as chunks whose names say which bytes of which segment they are, created exclusively: whoever ships the same bytes
again changes nothing. Nothing else is remembered: a shipper that was killed finds its place by listing the root. Readers count
each byte once (include/prediction_log/pieces.py), so that chunks of two shippers of one copied home may even overlap.

While the root does not answer, segments wait on the disk. Beyond the bound of SLIPSTREAM_LOG_BACKLOG_MEGABYTES the oldest
complete segments are given up, with an error in the log and a count on the metrics page: a full disk would lose the newest
lines of all models, and the gateway with them. A request never waits for any of this, and never fails by it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from include.core import fault
from include.core.entity_key import entity_key
from include.core.environment import LOG_BACKLOG_MEGABYTES, LOG_KEEP_HOURS, LOG_SHIP_KILOBYTES, LOG_SHIP_SECONDS
from include.core.errors import SpecError
from include.core.time import now
from include.core.variable import Variable
from include.prediction_log import layout
from include.prediction_log.pieces import Piece, chunk_path, reached, shipped, source_of
from include.prediction_log.redaction import redact, wishes
from include.prediction_log.rotated import ship_rotated
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping_state import Backlog, ShippingState
from include.prediction_log.watermarks import mark_shipped

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0  # between two looks at the segments, which ship what is due
WISH_SECONDS = 30.0  # between two looks for wishes to redact
MARK_SECONDS = 30.0  # between two times that the root is told up to when it has the log
TIDY_SECONDS = 60.0  # between two looks for segments that may leave the disk
LARGEST = 8 << 20  # bytes of a chunk, unless a line is longer


@dataclass(frozen=True)
class Limits:
    """When bytes are shipped, and how long and how many may wait."""

    seconds: float = 5.0
    bytes: int = 1 << 20
    backlog: int = 4096 << 20
    """Bytes of unshipped lines."""
    keep_seconds: float = 86_400.0
    """For which a complete segment stays on the disk after it was last written to, shipped as it is."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Limits:
        """Raises SpecError for what is no number above 0."""
        return cls(
            seconds=_number(LOG_SHIP_SECONDS, environ),
            bytes=int(_number(LOG_SHIP_KILOBYTES, environ) * 1024),
            backlog=int(_number(LOG_BACKLOG_MEGABYTES, environ) * (1 << 20)),
            keep_seconds=_number(LOG_KEEP_HOURS, environ) * 3600,
        )


def _number(variable: Variable, environ: Mapping[str, str]) -> float:
    text = variable.read(environ)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SpecError(f"{variable.name} must be a number above 0.", seen=text, safe="nothing was shipped or removed.")
    return value


@dataclass
class _Segment:
    """One on this disk, as the shipper knows it."""

    source: str
    place: int
    """Bytes that are in the root."""
    waiting_since: float | None = None
    """By the monotonic clock: when bytes that wait were first seen."""
    ended: int | None = None
    """The size at which nobody wrote it any more and its whole lines were in the root; None before."""


@dataclass
class LogShipper:
    """One home's. A duty of the gateway's agent (include/gateway/agent.py): `run` again and again, `end` when it has ended."""

    shared: SharedLog
    limits: Limits
    environ: Mapping[str, str] = field(default_factory=dict)
    name: str = "ship-log"
    every: float = LOOK_SECONDS

    def __post_init__(self) -> None:
        self.every = min(LOOK_SECONDS, self.limits.seconds)
        self._state = ShippingState(self.shared.home)
        self._segments: dict[str, dict[str, _Segment]] = {}  # by model and name
        self._fulfilled: set[str] = set()  # wishes
        self._wished = self._tidied = self._marked = float("-inf")

    def run(self) -> None:
        """Ship what is old enough or large enough. Raises what the storage raises, when every model was tried."""
        self._look(everything=False)

    def end(self) -> None:
        """Ship all there is: the gateway has ended."""
        self._look(everything=True)

    def _look(self, everything: bool) -> None:
        failed: list[Exception] = []
        began = now()
        for model in layout.models(self.shared.home):
            try:
                self._ship_model(model, everything)
            except Exception as error:  # noqa: BLE001 - of any vendor; another model's lines may fit where these do not
                failed.append(error)
        self._keep_bound()
        backlogs = self._backlogs()
        places = {model: {name: each.place for name, each in known.items()} for model, known in self._segments.items()}
        self._state.write(backlogs, places)
        if failed:
            raise failed[0]
        self._mark(began, backlogs, everything)
        self._after_work()

    def _ship_model(self, model: str, everything: bool) -> None:
        known = self._known(model)
        for path in layout.segments(self.shared.home, model):
            segment = known.get(path.stem)
            if segment is None:
                segment = known[path.stem] = _Segment(source_of(self.shared.home, path.stem), 0)
            with contextlib.suppress(FileNotFoundError):  # it left the disk since it was listed
                if segment.ended is None or path.stat().st_size > segment.ended:
                    self._ship_segment(model, path, segment, everything)

    def _known(self, model: str) -> dict[str, _Segment]:
        """The segments, at first with their places as the root has them."""
        if model not in self._segments:
            ship_rotated(self.shared, model)
            there = _by_source(shipped(self.shared.storage, model))
            fault.point("log.ship.listed")
            self._segments[model] = {
                path.stem: _Segment(source, reached(there.get(source, ())))
                for path in layout.segments(self.shared.home, model)
                for source in (source_of(self.shared.home, path.stem),)
            }
        return self._segments[model]

    def _ship_segment(self, model: str, path: Path, segment: _Segment, everything: bool) -> None:
        alone = _is_complete(path)  # asked first: what is written until then is in the size
        size = path.stat().st_size
        waiting, clock = size - segment.place, time.monotonic()
        if waiting > 0:
            segment.waiting_since = segment.waiting_since if segment.waiting_since is not None else clock
            if not everything and waiting < self.limits.bytes and clock - segment.waiting_since < self.limits.seconds:
                return
            while data := _whole_lines(path, segment.place):
                self._ship(model, path, segment, data)
        # What is left is half a line: of a writer that goes on, or of one that was stopped by a full disk.
        segment.waiting_since = None
        segment.ended = size if alone and size else None  # a new one is empty, and may not have its lock yet

    def _ship(self, model: str, path: Path, segment: _Segment, data: bytes) -> None:
        start, end = segment.place, segment.place + len(data)
        target = chunk_path(model, segment.source, start, end)
        fault.point("log.ship.read")
        self.shared.storage.create(target, data)
        fault.point("log.ship.created")
        segment.place = end
        self._state.shipped(model, len(data))
        with contextlib.suppress(FileNotFoundError):
            present = _bytes(path, start, len(data))
            if present != data:  # redacted since it was read: the same bytes once more, without those lines
                piece = Piece(target, segment.source, start, end)
                self.shared.storage.create(piece.revised(), present)
                self.shared.storage.delete(target)

    def _keep_bound(self) -> None:
        """Give up the oldest complete segments that wait, while more bytes wait than may."""
        waiting = sorted(self._waiting(), key=lambda each: each[1].stem)
        total = sum(size for _, _, _, size in waiting)
        for model, path, segment, size in waiting:
            if total <= self.limits.backlog:
                return
            with contextlib.suppress(FileNotFoundError), left_alone(path) as left:
                if left:
                    lines = _bytes(path, segment.place, size).count(b"\n")
                    path.unlink()
                    total -= size
                    self._segments.get(model, {}).pop(path.stem, None)
                    self._state.dropped(model, size, lines)
                    log.error(
                        "%d lines of the prediction log of %s were given up: %s was not shipped, and more than %d MB wait "
                        "(%s). The storage root does not take them.",
                        lines, model, path.name, self.limits.backlog >> 20, LOG_BACKLOG_MEGABYTES.name,
                    )  # fmt: skip

    def _waiting(self) -> Iterator[tuple[str, Path, _Segment, int]]:
        """The segments whose bytes are not all in the root: model, file, what is known of it, how many bytes.

        While the root has not said yet what it has, what the last shipper knew stands in.
        """
        for model in layout.models(self.shared.home):
            known = self._segments.get(model, {})
            for path in layout.segments(self.shared.home, model):
                segment = known.get(path.stem) or _Segment(path.stem, self._state.place(model, path.stem))
                with contextlib.suppress(FileNotFoundError):
                    size = path.stat().st_size - segment.place
                    if size > 0 and segment.ended is None:
                        yield model, path, segment, size

    def _backlogs(self) -> dict[str, Backlog]:
        found = {model: Backlog() for model in layout.models(self.shared.home)}
        clock = time.time() - time.monotonic()
        for model, _, segment, size in self._waiting():
            since = clock + (segment.waiting_since if segment.waiting_since is not None else time.monotonic())
            found[model] = found[model].and_also(size, since)
        return found

    def _mark(self, began: datetime, backlogs: Mapping[str, Backlog], ended: bool) -> None:
        """Say up to when the log is in the root. Of lines that wait it is known to within one look when they were written."""
        if ended or time.monotonic() - self._marked >= MARK_SECONDS:
            waiting = [datetime.fromtimestamp(each.since - self.every, UTC) for each in backlogs.values() if each.since]
            mark_shipped(self.shared, min([began, *waiting]), ended)
            self._marked = time.monotonic()

    def _after_work(self) -> None:
        """What is done now and then, when everything was shipped that was due."""
        clock = time.monotonic()
        if clock - self._wished >= WISH_SECONDS:
            self._fulfil()
            self._wished = clock
        if clock - self._tidied >= TIDY_SECONDS:
            for model in list(self._segments):
                self._tidy(model)
            self._tidied = clock

    def _fulfil(self) -> None:
        """Redact here, and in what was shipped, what somebody has asked for elsewhere."""
        for path, wish in wishes(self.shared, self._fulfilled).items():
            if wish.model in self._segments:
                count = redact(self.shared, wish.model, wish.wanted(entity_key(self.shared.home, self.environ)), own=True)
                if count:
                    log.info("%d records of %s were redacted, as %s asks", count, wish.model, path)
            self._fulfilled.add(path)

    def _tidy(self, model: str) -> None:
        """Remove segments that nobody writes and that have been in the root for long, once it says that it has all of them."""
        ended = [path for path in layout.segments(self.shared.home, model) if self._may_go(model, path)]
        if not ended:
            return
        there = _by_source(shipped(self.shared.storage, model))
        for path in ended:
            segment = self._segments[model][path.stem]
            with contextlib.suppress(FileNotFoundError), left_alone(path) as left:  # another shipper may be faster
                held = reached(there.get(segment.source, ()))
                if held < _whole_size(path):  # somebody removed it there: once more, from what is missing
                    segment.place, segment.ended = held, None
                elif left:
                    fault.point("log.ship.unlink")
                    path.unlink()
                    del self._segments[model][path.stem]

    def _may_go(self, model: str, path: Path) -> bool:
        segment = self._segments[model].get(path.stem)
        try:
            return (
                segment is not None
                and segment.ended is not None
                and time.time() - path.stat().st_mtime >= self.limits.keep_seconds
            )
        except FileNotFoundError:
            return False


def ship_what_is_left(shared: SharedLog, environ: Mapping[str, str]) -> None:
    """Everything on this machine's disk, now, whether or not its gateway has an agent: shipping twice changes nothing."""
    LogShipper(shared, Limits.from_env(environ), environ).end()


def _by_source(pieces: list[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.source, []).append(piece)
    return found


def _bytes(path: Path, start: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(count)


def _whole_lines(path: Path, start: int) -> bytes:
    """The next whole lines from a place on, LARGEST bytes of them unless one alone is longer; none at the end."""
    size = LARGEST
    while True:
        data = _bytes(path, start, size)
        end = data.rfind(b"\n") + 1
        if end or len(data) < size:
            return data[:end]
        size *= 2


def _whole_size(path: Path) -> int:
    """The bytes of a complete segment's whole lines: the last may be half of one."""
    size = path.stat().st_size
    place = max(0, size - LARGEST)
    while True:
        data = _bytes(path, place, size - place)
        end = data.rfind(b"\n") + 1
        if end or not place:
            return place + end
        place = max(0, place - LARGEST)


def _is_complete(path: Path) -> bool:
    """Whether nobody writes it any more: its writer's lock is gone."""
    with left_alone(path) as left:
        return left


@contextlib.contextmanager
def left_alone(path: Path) -> Iterator[bool]:
    """Whether nobody writes the segment; meanwhile nobody else takes it in hand."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
