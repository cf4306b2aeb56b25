"""Trials in processes of this machine, each fitting one leg after the other. They die with the one that started them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from include.core.errors import JobFailedError
from include.core.storage import open_storage
from include.training.search.leg import TRIES, Material, run_leg
from include.training.search.records import Found, Leg, Records
from include.training.search.shared import Shared

log = logging.getLogger(__name__)

_opened: list[tuple[Material, Records]] = []  # of a worker's process


@dataclass
class Pool:
    """An executor. A worker that was killed takes the legs of all with it: they are begun again, from their checkpoints."""

    shared: Shared
    records: Records
    concurrent: int
    _workers: ProcessPoolExecutor | None = field(default=None, init=False)
    _begun: dict[str, tuple[Leg, Future[Found]]] = field(default_factory=dict, init=False)
    _deaths: dict[str, int] = field(default_factory=dict, init=False)

    def submit(self, leg: Leg) -> None:
        if leg.key not in self._begun and self.records.found(leg.key) is None:
            self._begun[leg.key] = leg, self._open().submit(_run, leg)

    def result(self, leg: Leg) -> Found:
        while True:
            standing = self.records.found(leg.key)
            if standing is not None:
                self._begun.pop(leg.key, None)
                return standing
            self.submit(leg)
            try:
                self._begun.pop(leg.key)[1].result()
            except BrokenProcessPool:
                self._broken(leg)

    def close(self) -> None:
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            for process in list((getattr(self._workers, "_processes", None) or {}).values()):
                process.kill()  # a leg that nobody waits for any more
            self._workers = None

    def _open(self) -> ProcessPoolExecutor:
        if self._workers is None:
            context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
            storage = self.records.storage.root
            given = (self.shared, storage, self.records.folder)
            self._workers = ProcessPoolExecutor(self.concurrent, context, initializer=_begin, initargs=given)
        return self._workers

    def _broken(self, leg: Leg) -> None:
        """A worker is dead. Which leg killed it is not known: the one that is waited for is counted."""
        self.close()
        self._begun.clear()
        self._deaths[leg.key] = self._deaths.get(leg.key, 0) + 1
        log.warning("a process that fits trials was killed; its legs begin again at their checkpoints")
        if self._deaths[leg.key] >= TRIES:
            raise JobFailedError(
                f"The processes that fit trials were killed {TRIES} times while one trial was waited for.",
                seen=dict(leg.params),
                safe="what is found and decided is kept, and the checkpoints of trials under way.",
                hint="probably for want of memory: let fewer trials run at once (training.search.concurrent), or bound what makes "
                "a model large in training.search.space.",
            )


@contextmanager
def in_processes(material: Material, records: Records, concurrent: int, workdir: Path) -> Iterator[Pool]:
    pool = Pool(Shared.write(material, workdir / "shared-rows"), records, concurrent)
    try:
        yield pool
    finally:
        pool.close()


def _begin(shared: Shared, root: str, folder: str) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    _opened[:] = [(shared.read(), Records(open_storage(root), folder))]


def _die_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _run(leg: Leg) -> Found:
    material, records = _opened[0]
    return run_leg(leg, material, records)
