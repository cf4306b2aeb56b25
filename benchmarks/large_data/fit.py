"""A fit whose network writes down which rows it has seen at which step, in a file that outlives a kill."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from benchmarks.large_data.world import numbers
from include.backends.lightning.plan import Plan
from include.backends.ray.train import fit_lightning
from include.training.job import Floats, TrainingJob

BEGUN = "begun.txt"  # beside that file: the first step of each process
_SAID: list[int] = []
KILL = "SLIPSTREAM_BENCH_KILL_AT"  # the step after which the process is killed -9


def fit(job: TrainingJob) -> None:
    fit_lightning(job, build)


def build(plan: Plan, features: Floats) -> Counting:
    """`features` are a sample of the training rows."""
    return Counting(plan, features)


class Counting(pl.LightningModule):
    """Two layers over standardised inputs. `seen` [rows]: the step at which each row was met; -1 where at two different ones."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, plan: Plan, features: Floats) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(np.nanmean(features, axis=0, dtype=np.float64), dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(np.nanstd(features, axis=0) + 1e-6, dtype=torch.float32))
        self.layers = nn.Sequential(nn.Linear(features.shape[1], 16), nn.ReLU(), nn.Linear(16, 1))
        self._path = Path(str(plan.params["seen"]))

    def forward(self, features: Tensor) -> Tensor:
        standard = torch.nan_to_num((features - self.mean) / self.deviation)
        logits: Tensor = self.layers(standard).squeeze(1)
        return logits

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        step = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if not _SAID:  # of the process: what is the module's own is in its checkpoint
            _SAID.append(step)
            with self._path.with_name(BEGUN).open("a") as file:
                file.write(f"{step}\n")
        self._note(numbers(batch[0].numpy()), step)
        if step == int(os.environ.get(KILL, "0")):
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1])

    def _note(self, rows: np.ndarray, step: int) -> None:
        seen: Any = np.load(self._path, mmap_mode="r+")
        before = seen[rows]
        seen[rows] = np.where((before == 0) | (before == step), step, -1)  # the kernel keeps it when the process is killed

    def validation_step(self, batch: list[Tensor], number: int) -> None:
        self.log("val_loss", nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)
