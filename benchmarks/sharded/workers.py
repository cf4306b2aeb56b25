"""The workers of a fit as processes of this machine, in a group by gloo as Ray Train makes it, with a limit of memory or none."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from include.backends.lightning.plan import Build, Place, Plan
from include.core import fault
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows

FORK = get_context("fork")


@dataclass(frozen=True)
class Asked:
    """One attempt of a fit."""

    folder: Path
    plan: Plan
    build: Build
    rows: Callable[[], tuple[Rows, Rows]]
    world: int
    fault: fault.Fault | None = None  # what happens to `struck`
    struck: int = 0
    limit: int = 0  # bytes of private memory that a worker may have (RLIMIT_DATA); 0: no limit
    beside: bool = False  # whether the limit is beside what the interpreter and the libraries take, or includes it

    @property
    def store(self) -> CheckpointStore:
        return CheckpointStore(LocalStorage(self.folder), "checkpoints")


def fit(asked: Asked) -> tuple[list[int], list[dict[str, float]]]:
    """Exit codes of the workers, and what each noted. Ends when all have ended; where one is killed, so are the others."""
    for name in ("fit", "sharded.export"):  # once, before the workers are forked: libraries are beside the limit
        import_module(f"include.backends.lightning.{name}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    asked.folder.mkdir(parents=True, exist_ok=True)
    workers = [FORK.Process(target=_work, args=(asked, Place(rank, asked.world), port)) for rank in range(asked.world)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        if any(worker.exitcode for worker in workers):
            time.sleep(0.5)  # what it was about to say
            for worker in workers:
                worker.kill()
        time.sleep(0.05)
    for worker in workers:
        worker.join()
    notes = [asked.folder / f"note-{rank}.json" for rank in range(asked.world)]
    return [worker.exitcode or 0 for worker in workers], [json.loads(note.read_text()) for note in notes if note.exists()]


def _work(asked: Asked, place: Place, port: int) -> None:
    import torch
    import torch.distributed as dist

    from include.backends.lightning import fit as lightning_fit
    from include.backends.lightning.sharded.strategy import ShardedStrategy
    from include.backends.lightning.shares import SharedDDP, factor

    said = (asked.folder / f"said-{place.rank}.txt").open("a")
    os.dup2(said.fileno(), 2)
    logging.basicConfig(stream=said, force=True)
    os.environ.update(_environment(place, port))
    dist.init_process_group("gloo", rank=place.rank, world_size=place.world)
    if asked.limit:
        limit = asked.limit + (of_process("VmData") if asked.beside else 0)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if asked.fault and place.rank == asked.struck:
        fault.arm(asked.fault)
    watch = Watch()
    share = factor(asked.plan.course, place)
    strategy = ShardedStrategy(torch.device("cpu"), share) if asked.plan.strategy == "fsdp" else SharedDDP(share)
    train, validation = asked.rows()
    hooks = lightning_fit.Hooks([watch.callback()])
    data, kept = lightning_fit.Data(train, validation), lightning_fit.Kept(asked.store)
    lightning_fit.fit_here(asked.plan, asked.build, data, kept, place, hooks, strategy=strategy, devices=place.world)
    (asked.folder / f"note-{place.rank}.json").write_text(json.dumps(watch.told()))
    dist.barrier()
    dist.destroy_process_group()


def _environment(place: Place, port: int) -> dict[str, str]:
    ours: dict[str, int | str] = {"RANK": place.rank, "LOCAL_RANK": place.rank, "WORLD_SIZE": place.world, "GROUP_RANK": 0}
    ours |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_WORLD_SIZE": place.world}
    return {name: str(value) for name, value in ours.items()} | {"TORCHELASTIC_RUN_ID": "t", "GLOO_SOCKET_IFNAME": "lo"}


class Watch:
    """A worker's own memory, looked at every few milliseconds, and the seconds of its steps and checkpoints."""

    def __init__(self) -> None:
        self._start = self._peak = private()
        self._steps: list[float] = []
        self._trained = 0
        self._saves: list[float] = []
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self._peak = max(self._peak, private())
            time.sleep(0.005)

    def callback(self) -> Any:
        import pytorch_lightning as pl

        from include.backends.lightning.checkpoint import StepCheckpoint

        watch, save = self, StepCheckpoint._save

        class Times(pl.Callback):
            began = 0.0

            def on_train_batch_start(self, *_: Any) -> None:
                self.began = time.perf_counter()

            def on_train_batch_end(self, *_: Any) -> None:
                watch._steps.append(time.perf_counter() - self.began)
                watch._trained = watch._peak

        def timed(checkpoint: StepCheckpoint, trainer: Any, step: int) -> None:
            began = time.perf_counter()
            save(checkpoint, trainer, step)
            watch._saves.append(time.perf_counter() - began)

        StepCheckpoint._save = timed  # type: ignore[method-assign, assignment]
        return Times()

    def told(self) -> dict[str, float]:
        """Bytes above the start: the peak of training and the peak of all; seconds: medians."""
        steps, saves = sorted(self._steps), sorted(self._saves)
        return {
            "start": self._start,
            "trained": self._trained,
            "peak": self._peak,
            "step": steps[len(steps) // 2] if steps else 0.0,
            "save": saves[len(saves) // 2] if saves else 0.0,
        }


def private() -> int:
    """Bytes of this process's memory that are its own and in use."""
    return of_process("RssAnon")


def of_process(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("this system says nothing of a process's own memory")
