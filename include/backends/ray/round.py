"""One group of workers from its forming to its end, watched from the job's process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from include.backends.lightning.plan import Place
from include.backends.ray.crew import Hired
from include.backends.ray.member import MEET, Progress, Report
from include.core.author import describe
from include.core.errors import SlipstreamError
from include.training.interruptions import WORDS, Kind

log = logging.getLogger(__name__)

WATCH = 0.2  # seconds between two looks
SILENT = 5.0  # seconds without an answer, after which a worker of a broken group is given up
BUSY = 20.0  # seconds that one that answers may take to see that its group is broken: gloo has no way to wake who waits in it


@dataclass(frozen=True)
class Ended:
    """How a group ended. `at`: when it stopped to train; `redone`: the seconds of work since the newest checkpoint, which are
    lost where it broke."""

    done: bool
    at: float
    redone: float = 0.0
    lost: tuple[tuple[Hired, Exception | None], ...] = ()  # with what Ray says of each; None of one that did not answer
    parting: tuple[Hired, ...] = ()  # their processes were told to end
    errors: tuple[SlipstreamError, ...] = ()
    why: Kind = "lost"
    names: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.lost or self.errors)

    @property
    def said(self) -> str:
        if self.errors and not self.lost:
            return describe(self.errors[0])
        return f"{len(self.lost)} worker(s) ended" + (f"; the others said: {describe(self.errors[0])}" if self.errors else ".")


class Watcher(Protocol):
    """Who has the group formed."""

    def resumed(self, workers: int) -> None:
        """The group's first batch is done."""

    def reason(self, members: Sequence[Hired], trained: float, cost: float) -> tuple[Kind, tuple[str, ...]] | None:
        """Why the group is to be left, and the nodes that it is for; None to go on. It has trained for so many seconds, and
        forming it took `cost`."""


@dataclass
class Round:
    number: int
    members: Sequence[Hired]
    of: Watcher
    clock: Callable[[], float]
    _pending: dict[Any, Hired] = field(default_factory=dict, init=False)
    _reports: dict[Hired, Report] = field(default_factory=dict, init=False)
    _lost: list[tuple[Hired, Exception | None]] = field(default_factory=list, init=False)
    _pings: dict[Hired, tuple[Any, float]] = field(default_factory=dict, init=False)  # a question, and when the last was answered
    _broken: float | None = field(default=None, init=False)
    _first: float | None = field(default=None, init=False)  # when its first batch was seen to be done
    _heard: tuple[Progress, float] = field(default=(Progress(), 0.0), init=False)  # of the first worker, and when
    _left: tuple[Kind, tuple[str, ...]] | None = field(default=None, init=False)

    def run(self) -> Ended:
        """Until every worker has reported, or is lost."""
        began = self.clock()
        self._form()
        while self._pending:
            self._collect()
            if self._broken is not None:
                self._give_up()
                continue
            self._ask_progress()
            if self._left is None and self._first is not None:
                self._left = self.of.reason(self.members, self.clock() - self._first, self._first - began)
                if self._left is not None:
                    log.warning("the workers are asked to save and leave: %s", WORDS[self._left[0]])
                    for each in self.members:
                        each.actor.leave.remote(self.number)
        return self._ended()

    def _form(self) -> None:
        import ray

        try:
            address = ray.get(self.members[0].actor.open.remote(), timeout=MEET.total_seconds())
        except Exception as error:  # noqa: BLE001 - its node has gone meanwhile, whatever Ray calls that
            self._lose(self.members[0], error)
            return
        places = [Place(rank, len(self.members)) for rank in range(len(self.members))]
        for place, each in zip(places, self.members, strict=True):
            self._pending[each.actor.fit.remote(self.number, place, address)] = each

    def _collect(self) -> None:
        """Take the reports that have come, after at most so many seconds."""
        import ray

        done, _ = ray.wait(list(self._pending), num_returns=1, timeout=WATCH)
        for ref in done:
            each = self._pending.pop(ref)
            try:
                report: Report = ray.get(ref)
            except Exception as error:  # noqa: BLE001 - its process or its node has gone, whatever Ray calls that
                self._lose(each, error)
                continue
            self._reports[each] = report
            if report.outcome == "failed":
                self._break()

    def _lose(self, hired: Hired, error: Exception | None) -> None:
        self._lost.append((hired, error))
        log.warning("a worker is lost: %s", describe(error) if error else "it does not answer")
        self._break()

    def _break(self) -> None:
        if self._broken is None:
            self._broken = self.clock()

    def _give_up(self) -> None:
        """Of a broken group: those that do not answer, and those that answer and do not see that it is broken."""
        import ray

        now = self.clock()
        for ref, each in list(self._pending.items()):
            ping, answered = self._pings.get(each) or (each.actor.progress.remote(), now)
            if ray.wait([ping], timeout=0)[0]:
                ping, answered = each.actor.progress.remote(), now
            self._pings[each] = ping, answered
            if now - answered > SILENT or now - (self._broken or now) > BUSY:
                del self._pending[ref]
                self._lose(each, None)

    def _ask_progress(self) -> None:
        import ray

        first, now = self.members[0], self.clock()
        if first not in self._pings:
            self._pings[first] = first.actor.progress.remote(), now
        ping, _ = self._pings[first]
        if not ray.wait([ping], timeout=0)[0]:
            return
        del self._pings[first]
        try:
            progress: Progress = ray.get(ping)
        except Exception:  # noqa: BLE001 - its report will say so
            return
        if progress.group != self.number:  # it has not begun yet
            return
        self._heard = progress, now
        if self._first is None and progress.batches:
            self._first = now
            self.of.resumed(len(self.members))

    def _ended(self) -> Ended:
        now = self.clock()
        errors = tuple(each.error for each in self._reports.values() if each.error is not None)
        if self._broken is not None:
            return Ended(False, self._broken, self._redone(self._broken), tuple(self._lost), errors=errors)
        parting = tuple(each for each, report in self._reports.items() if report.parting)
        if all(report.outcome == "done" for report in self._reports.values()):
            return Ended(True, now, parting=parting)
        why, names = self._left or ("drained", ())
        return Ended(False, now, parting=parting, why=why, names=names)

    def _redone(self, until: float) -> float:
        """Seconds of work since the newest checkpoint, or since the first batch where this group has made none."""
        progress, at = self._heard
        if progress.saved is not None:
            return progress.seconds + until - at
        return until - self._first if self._first is not None else 0.0
