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
from include.training.search.leg import Material, run_leg
from include.training.search.records import Found, Leg, Records
from include.training.search.shared import Shared

log = logging.getLogger(__name__)

_opened: list[tuple[Material, Records]] = []  # of a worker's process


@dataclass
class Pool:
    """An executor of so many processes."""

    shared: Shared
    records: Records
    concurrent: int
    _workers: ProcessPoolExecutor | None = field(default=None, init=False)
    _begun: dict[str, tuple[Leg, Future[Found]]] = field(default_factory=dict, init=False)

    def submit(self, leg: Leg) -> None:
        if leg.key not in self._begun and self.records.found(leg.key) is None:
            self._begun[leg.key] = leg, self._open(self.concurrent).submit(_run, leg)

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
                return self._alone(leg)

    def close(self) -> None:
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            for process in list((getattr(self._workers, "_processes", None) or {}).values()):
                process.kill()  # a leg that nobody waits for any more
            self._workers = None

    def _open(self, workers: int) -> ProcessPoolExecutor:
        if self._workers is None:
            context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
            storage = self.records.storage.root
            given = (self.shared, storage, self.records.folder)
            self._workers = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=given)
        return self._workers

    def _alone(self, leg: Leg) -> Found:
        """After a worker's death, which takes all workers with it: which leg it was is not known, so this one runs by itself."""
        self.close()
        self._begun.clear()
        log.warning("a process that fits trials was killed; its legs begin again at their checkpoints")
        try:
            return self._open(1).submit(_run, leg).result()
        except BrokenProcessPool:
            return self.records.find(leg.key, Found(None, 0, [], 0.0, f"{killed(leg)}"))
        finally:
            self.close()


def killed(leg: Leg) -> JobFailedError:
    """What is said of a trial whose process was killed each time that it was fitted."""
    return JobFailedError(
        "The process that fitted the trial was killed each time, probably for want of memory.",
        seen=dict(leg.params),
        safe="the other trials go on.",
        hint="let fewer run at once (training.search.concurrent), bound what makes a model large in training.search.space, or "
        "look at fewer rows (training.search.rows).",
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
