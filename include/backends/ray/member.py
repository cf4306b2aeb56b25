"""One worker of a distributed fit: a Ray actor that lives as long as its node does, and trains in one group after another.

Where a peer is lost, the others leave the group and stay: what they imported and their rows are in their memory, so that the
next group is formed in a second, where new processes would take as long as the first did.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, cast

from include.backends.lightning.plan import Build, Place, Plan
from include.backends.ray import memory, on_node
from include.core import logs
from include.core.author import as_slipstream_error, log_exception
from include.core.digest import Code
from include.core.errors import SlipstreamError
from include.core.settings import Settings
from include.training.checkpoint import CheckpointStore
from include.training.spool import MetricSpool

if TYPE_CHECKING:
    from torch.distributed import TCPStore

log = logging.getLogger(__name__)

MEET = timedelta(seconds=30)  # for the workers of a group to find each other
TALK = timedelta(minutes=30)  # for one exchange between them: one of them may be writing a checkpoint meanwhile


@dataclass(frozen=True)
class Work:
    """What every worker of a fit is given. `rows`: of the training and of the validation, as they were handed over."""

    plan: Plan
    build: Build
    rows: Sequence[Any]
    root: str
    folder: str  # of the checkpoints
    metrics: str  # of the spool; empty without
    code: Code | None


@dataclass(frozen=True)
class Where:
    """The node that a worker is on, and its process."""

    node: str
    pid: int


@dataclass(frozen=True)
class Progress:
    """How far a worker is in its group: batches that it has done there, the newest checkpoint that it has written and for how
    many seconds that has been."""

    group: int = 0
    batches: int = 0
    saved: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """How a worker's part in a group ended. `parting`: its process was told to end, it is of no further use."""

    outcome: Literal["done", "left", "failed"]
    step: int = 0
    error: SlipstreamError | None = None
    parting: bool = False


@dataclass(frozen=True)
class Watched(CheckpointStore):
    """The checkpoints of a fit, which know when this worker has written the newest."""

    _newest: list[tuple[int, float]] = field(default_factory=list, init=False, compare=False)

    def save_step(self, step: int, data: bytes) -> None:
        super().save_step(step, data)
        self._newest[:] = [(step, time.monotonic())]

    @property
    def saved(self) -> int | None:
        return self._newest[0][0] if self._newest else None

    def seconds(self) -> float:
        """Since it was written, or 0 where none was."""
        return time.monotonic() - self._newest[0][1] if self._newest else 0.0


class Member:
    """Its calls run beside each other: it is asked for its progress, and to leave, while it trains."""

    def __init__(self, work: Work) -> None:
        self._trains, self._former = False, signal.getsignal(signal.SIGTERM)
        with suppress(ValueError):  # only the main thread may
            signal.signal(signal.SIGTERM, self._told_to_end)
        with logs.fields(**logs.received()):
            logs.configure("worker", text=logs.OF_A_JOB)
        on_node.require_same_code(work.code)  # it may be another node than the driver's
        memory.note(work.folder)
        from include.backends.lightning.fit import Data
        from include.backends.ray.rows import received

        self._work, self._parting, self._asked = work, False, threading.Event()
        self._group, self._store = 0, cast("TCPStore | None", None)
        storage = Settings(root=work.root, environ=on_node.environment()).storage()
        train, validation = (received(rows, storage) for rows in work.rows)
        self._data = Data(train, validation)
        self._progress: Callable[[], Progress] = Progress

    def where(self) -> Where:
        import ray

        return Where(ray.get_runtime_context().get_node_id(), os.getpid())

    def open(self) -> tuple[str, int]:
        """Where the others of a group find each other, if this is their first."""
        import ray
        from torch.distributed import TCPStore

        host = ray.util.get_node_ip_address()
        self._store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=MEET)
        return host, self._store.port

    def leave(self, group: int) -> None:
        """Have that group save at the next batch, and leave it."""
        if group == self._group:
            self._asked.set()

    def progress(self) -> Progress:
        return self._progress()

    def fit(self, group: int, place: Place, address: tuple[str, int]) -> Report:
        """Train in a group until the course is done, somebody is asked to leave, or something fails.

        The others learn that it has left by its sockets, which close when nothing holds the group any more.
        """
        report = self._report(group, place, address)
        gc.collect()  # where it failed, the frames that it passed through have held the fit until now
        return report

    def _report(self, group: int, place: Place, address: tuple[str, int]) -> Report:
        from include.backends.lightning.fit import Left

        if not self._parting:
            self._asked.clear()
        self._group, self._trains = group, True
        try:
            self._fit(place, address)
        except Left as left:
            return Report("left", left.step, parting=self._parting)
        except Exception as error:  # noqa: BLE001 - its class may be known to this worker alone: one of ours crosses over
            log_exception(error)
            return Report("failed", error=as_slipstream_error(error), parting=self._parting)
        finally:
            self._trains = False
        return Report("done", parting=self._parting)

    def _fit(self, place: Place, address: tuple[str, int]) -> None:
        from include.backends.lightning.fit import Hooks, Kept, fit_here
        from include.backends.lightning.leaving import Agreement, Pace
        from include.backends.ray.group import in_group, trainer_arguments

        work = self._work
        storage = Settings(root=work.root, environ=on_node.environment()).storage()
        spool = MetricSpool(storage, work.metrics) if work.metrics else None  # the driver delivers what is in it
        pace, store, group = Pace(), Watched(storage, work.folder), self._group
        self._progress = lambda: Progress(group, pace.done, store.saved, store.seconds())
        try:
            with in_group(work.plan, place, address, self._store, MEET, TALK):
                log.info("worker %d of %d (world_size=%d)", place.rank, place.world, place.world)
                hooks = Hooks([pace], Agreement(self._asked, TALK))
                more = trainer_arguments(work.plan, place, address)
                fit_here(work.plan, work.build, self._data, Kept(store, spool), place, hooks, **more)
        finally:
            # Not by `pace`, to which Lightning has given methods of the module: by them the group would be held.
            done = pace.done
            self._progress = lambda: Progress(group, done, store.saved, store.seconds())
            if spool is not None:
                _close(spool)

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM, which a machine that is to go sends to its processes. A second one, or one without a fit, ends this one."""
        if self._trains and not self._parting:
            log.warning("asked to end: the fit is saved at the next batch, and this worker leaves")
            self._parting = True
            self._asked.set()
        elif callable(self._former):
            self._former(number, frame)


def _close(spool: MetricSpool) -> None:
    """What waits in it is in the checkpoint as well, or belongs to batches that are done again: nothing fails for it."""
    try:
        spool.close()
    except (SlipstreamError, OSError) as error:
        log.warning("metrics were left: %s", error)
