"""A fit on GPUs: rows a second, model FLOPs utilisation and scaling, beside a plain PyTorch loop on the same batches.

    python -m benchmarks.gpu [--rehearse]

Ours is the platform's own fit (devices, precision and process group of the spec; the look for losses that are no numbers). The
peer is the shortest loop of PyTorch that trains the same network in the same precision. Each is timed after a warm-up, from one
synchronised moment to another. MFU is 6 x weights x rows a second over the
dense peak that NVIDIA states for the GPU.

Where no GPU is present it says so and measures nothing. `--rehearse` runs the same code on the CPU, in small.

Goals, on a GPU: at least .9 of the peer's rows a second in each precision, and .8 of linear scaling on all GPUs of the machine.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.multiprocessing.spawn import start_processes

from benchmarks.table import Table
from include.backends.lightning import fit as lightning_fit
from include.backends.lightning.devices import Devices
from include.backends.lightning.plan import Course, Place, Plan
from include.core.hardware import this_hardware
from include.core.spec.resources import Resources
from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore
from include.training.job import Input, Rows

# Dense TFLOPS that NVIDIA states, by the word in the GPU's name: of tensor cores in half precision, and of float32.
PEAK = {
    "T4": (65, 8.1), "V100": (125, 15.7), "L4": (121, 30.3), "L40S": (362, 91.6), "A100": (312, 19.5),
    "H100": (989, 67), "H200": (989, 67), "B200": (2250, 80),
}  # fmt: skip
LEAST_OF_PEER, LEAST_SCALING = 0.9, 0.8


@dataclass(frozen=True)
class Size:
    """A network of `depth` square layers; `batch` rows a worker and step."""

    width: int
    depth: int
    batch: int
    warm: int = 10
    steps: int = 50

    @property
    def weights(self) -> int:
        return self.depth * self.width**2

    @property
    def rows(self) -> int:
        return self.batch * (self.warm + self.steps + 2)


LARGE, SMALL = Size(4096, 8, 4096), Size(64, 2, 64, 3, 10)
PRECISIONS = {"32": torch.float32, "bf16": torch.bfloat16, "16-mixed": torch.float16}


class Net(pl.LightningModule):
    def __init__(self, size: Size) -> None:
        super().__init__()
        layers = [part for _ in range(size.depth) for part in (nn.Linear(size.width, size.width), nn.ReLU())]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(size.width, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(x)).squeeze(1)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None: ...

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 1e-3)


class Clock(pl.Callback):
    """When the warm-up was over, and when the last timed step was."""

    def __init__(self, size: Size) -> None:
        self.size, self.began, self.seconds, self.step = size, 0.0, 0.0, 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.step += 1
        if self.step in (self.size.warm, self.size.warm + self.size.steps):
            moment = settled()
            self.began, self.seconds = (self.began or moment), moment - self.began

    def over(self) -> bool:
        return self.step >= self.size.warm + self.size.steps


def settled() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def rows_of(size: Size, world: int) -> Rows:
    draw = np.random.default_rng(0)
    return Rows(draw.normal(size=(size.rows * world, size.width)).astype(np.float32), np.ones(size.rows * world, np.float32))


def ours(size: Size, devices: Devices, place: Place, trainer: dict[str, Any] | None = None) -> float:
    """Rows a second of all workers, as this one saw it."""
    rows, clock = rows_of(size, place.world), Clock(size)
    course = Course(len(rows), size.batch * place.world, 1, 7)
    plan = Plan((Input("x"),) * size.width, {}, course, checkpoint_every=10**6, devices=devices)
    with tempfile.TemporaryDirectory() as folder, suppress(lightning_fit.Left):
        kept = lightning_fit.Kept(CheckpointStore(LocalStorage(folder), "c"))
        hooks = lightning_fit.Hooks((clock,), clock.over)
        data = lightning_fit.Data(rows, rows.last(8))
        lightning_fit.fit_here(plan, lambda plan, x: Net(size), data, kept, place, hooks, **(trainer or {}))
    return size.steps * size.batch * place.world / clock.seconds


def peer(size: Size, precision: str, device: str) -> float:
    """Rows a second of a plain loop."""
    rows, net = rows_of(size, 1), Net(size).to(device)
    optimizer: Any = net.configure_optimizers()
    scaler = torch.amp.GradScaler(device, enabled=precision == "16-mixed")
    x, y = torch.from_numpy(rows.features), torch.from_numpy(rows.labels)
    x, y = (x.pin_memory(), y.pin_memory()) if device == "cuda" else (x, y)
    began = 0.0
    for step in range(size.warm + size.steps):
        began = settled() if step == size.warm else began
        cut = slice(step * size.batch, (step + 1) * size.batch)
        given, labels = (each[cut].to(device, non_blocking=True) for each in (x, y))
        with torch.autocast(device, PRECISIONS[precision], enabled=precision != "32"):
            loss = nn.functional.binary_cross_entropy_with_logits(net(given), labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
    return size.steps * size.batch / (settled() - began)


def one_of(rank: int, world: int, port: int, size: Size, devices: Devices, answers: Any) -> None:
    """A worker of several, as Ray Train starts it."""
    said: dict[str, int | str] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": world,
        "LOCAL_WORLD_SIZE": world,
        "GROUP_RANK": 0,
    }
    said |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "bench"}
    os.environ.update({name: str(value) for name, value in said.items()})
    if devices.gpu:
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(devices.process_group, rank=rank, world_size=world)
    answers.put(ours(size, devices, Place(rank, world), {"strategy": "ddp", "devices": world}))


def together(size: Size, devices: Devices, world: int) -> float:
    """Rows a second of `world` workers on this machine: the slowest one's figure."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    answers = get_context("spawn").SimpleQueue()
    start_processes(one_of, (world, port, size, devices, answers), nprocs=world)  # type: ignore[no-untyped-call]
    return min(float(answers.get()) for _ in range(world))


def measure(table: Table, size: Size, gpus: tuple[str, ...]) -> None:
    device, wanted = ("cuda", Resources(gpus=1)) if gpus else ("cpu", Resources())
    goal = LEAST_OF_PEER if gpus else None
    table.head(f"One worker, {size.depth} layers of {size.width}, {size.batch} rows a step, on {gpus[0] if gpus else 'the CPU'}")
    alone = 0.0
    for precision in PRECISIONS if gpus else ("32", "bf16"):
        mine, plain = ours(size, Devices.of(wanted, precision), Place()), peer(size, precision, device)
        alone = mine if precision == "bf16" else alone
        table.row(f"{precision}: rows a second", mine, "rows/s")
        table.row(f"{precision}: rows a second of a plain loop", plain, "rows/s")
        table.row(f"{precision}: ours over the plain loop's", mine / plain, "", least=goal)
        if used := mfu(size, mine, gpus[0] if gpus else "", precision):
            table.row(f"{precision}: model FLOPs utilisation", used, "")
    world = len(gpus) or 2
    if world == 1:
        table.say("There is one GPU: scaling is not measured.")
        return
    table.head(f"{world} workers, bf16, gradients by {Devices.of(wanted).process_group}")
    both = together(size, Devices.of(wanted, "bf16"), world)
    table.row("rows a second of all", both, "rows/s")
    table.row("of linear scaling", both / alone / world, "", least=LEAST_SCALING if gpus else None)


def mfu(size: Size, rows_per_second: float, name: str, precision: str) -> float:
    """0 where the GPU's peak is not known here."""
    known = next((PEAK[word] for word in name.replace("-", " ").split() if word in PEAK), None)
    if known is None:
        return 0.0
    return 6 * size.weights * rows_per_second / (known[precision == "32"] * 1e12)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gpu")
    parser.add_argument("--rehearse", action="store_true", help="run the same code on the CPU, in small")
    options = parser.parse_args(argv)
    gpus, table = this_hardware().gpus, Table()
    if not options.rehearse and not (gpus and torch.cuda.is_available()):
        why = f"the driver shows {len(gpus)}, torch {torch.__version__} is built for {torch.version.cuda or 'CPUs alone'}"
        print(f"No GPU is present here ({why}): nothing was measured. --rehearse runs the same code on the CPU.")
        return 0
    if options.rehearse:
        print("A rehearsal: in so small a network the figures tell of overheads alone, and of no GPU.")
    measure(table, SMALL if options.rehearse else LARGE, () if options.rehearse else gpus)
    for name in table.missed:
        print(f"MISSED: {name}", file=sys.stderr)
    return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
