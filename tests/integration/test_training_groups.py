"""Workers that outlive their group: processes with real gloo and without Ray; one is killed, the others form the next group."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from benchmarks.checkpoints import data, plan
from include.backends.lightning.plan import Place
from include.backends.ray.member import Member, Progress, Report, Work
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore

pytestmark = [pytest.mark.slow, pytest.mark.whole]

FORK = get_context("fork")
SOON = timedelta(seconds=30)


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    """Imported once, before the workers are forked."""
    import_module("include.backends.lightning.fit")
    import_module("include.backends.ray.group")


def live(pipe: Connection, root: Path, epochs: int, strategy: str) -> None:
    """A worker's process: it does what it is asked, one thing after another, and leaves when `root/leave` is there."""
    from dataclasses import replace

    from torch.distributed import TCPStore

    from include.backends.lightning import fit as lightning_fit
    from include.backends.lightning.leaving import Pace
    from include.models.flight_delay.train import build

    lightning_fit._leave = lightning_fit._leave_sharded = lambda *_: None
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    done = Pace.on_train_batch_end

    def slow(*given: Any) -> None:
        done(*given)
        time.sleep(0.02)  # so that a kill comes within the course
        if (root / f"fail-{os.getpid()}").exists():
            raise RuntimeError("the fit fails, and its process goes on")

    vars_of: Any = Pace
    vars_of.on_train_batch_end = slow
    whole = plan()
    course = replace(whole.course, epochs=epochs)
    member: Any = object.__new__(Member)
    member._work = Work(replace(whole, course=course, strategy=strategy), build, [], str(root), "checkpoints", "", None)
    member._data = lightning_fit.Data(data(course.rows, 1), data(64, 2))
    member._asked, member._parting, member._progress = threading.Event(), False, Progress

    def watch() -> None:
        while True:
            if (root / "leave").exists():
                member.leave(member._group)
            time.sleep(0.05)

    member._group, member._store = 0, None
    threading.Thread(target=watch, daemon=True).start()
    while True:
        what, *given = pipe.recv()
        if what == "open":
            member._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=SOON)
            pipe.send(("127.0.0.1", member._store.port))
        else:
            pipe.send(member.fit(*given))


class Worker:
    def __init__(self, root: Path, epochs: int, strategy: str) -> None:
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=live, args=(theirs, root, epochs, strategy), daemon=True)
        self.process.start()

    def ask(self, *what: Any) -> None:
        self.pipe.send(what)

    def answer(self) -> Any:
        assert self.pipe.poll(90), "no answer"
        return self.pipe.recv()


def form(number: int, workers: list[Worker]) -> None:
    workers[0].ask("open")
    address = workers[0].answer()
    for rank, worker in enumerate(workers):
        worker.ask("fit", number, Place(rank, len(workers)), address)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_the_others_form_the_next_group_when_one_is_killed_and_leave_together_when_one_is_asked(
    strategy: str, tmp_path: Path
) -> None:
    store = CheckpointStore(LocalStorage(tmp_path), "checkpoints")
    workers = [Worker(tmp_path, 40, strategy) for _ in range(3)]
    try:
        form(1, workers)
        until(lambda: len(store.steps()) > 1 or workers[0].pipe.poll())
        assert not workers[0].pipe.poll(), workers[0].answer()
        killed = workers.pop(1)
        os.kill(killed.process.pid or 0, signal.SIGKILL)
        reports: list[Report] = [worker.answer() for worker in workers]
        assert [each.outcome for each in reports] == ["failed", "failed"]
        kept = store.steps()[-1]

        form(2, workers)
        until(lambda: store.steps()[-1] > kept)
        (tmp_path / "leave").touch()
        reports = [worker.answer() for worker in workers]
        assert [each.outcome for each in reports] == ["left", "left"]
        assert len({each.step for each in reports}) == 1
        assert store.steps()[-1] == reports[0].step

        (tmp_path / "leave").unlink()
        form(3, workers[:1])  # one alone, which was in two groups before
        assert workers[0].answer().outcome == "done"
        assert store.steps()[-1] == 40 * 10
    finally:
        for worker in workers:
            worker.process.kill()


def test_a_worker_whose_fit_fails_lets_the_others_go_though_its_process_lives(tmp_path: Path) -> None:
    store = CheckpointStore(LocalStorage(tmp_path), "checkpoints")
    workers = [Worker(tmp_path, 40, "ddp") for _ in range(3)]
    try:
        for number in (1, 2):  # a process's first group is one to itself: what is imported in it may hold it
            known = store.steps()[-1:]
            form(number, workers)
            until(lambda known=known: store.steps()[-1:] != known or workers[0].pipe.poll())
            assert not workers[0].pipe.poll(), workers[0].answer()
            failing = tmp_path / f"fail-{workers[2].process.pid}"
            failing.touch()
            assert [worker.answer().outcome for worker in workers] == ["failed"] * 3
            failing.unlink()
    finally:
        for worker in workers:
            worker.process.kill()


def until(there: Any) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)
