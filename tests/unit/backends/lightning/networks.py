"""Fits that differ in what a checkpoint must keep, and fits that cannot be resumed. A file of its own: it imports torch."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    EarlyStopping,
    GradientAccumulationScheduler,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from torch.nn.functional import binary_cross_entropy_with_logits


class Killed(Exception):
    pass


class Net(pl.LightningModule):
    """Automatic optimisation; `seen` and `kill_at` belong to the test."""

    kill_at = 0

    def __init__(self, seen: list[float]) -> None:
        super().__init__()
        self._of_test = lambda: seen
        self.l, self.g = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return (self.l(x) + self.g(x)).squeeze(1)

    def loss(self, batch: Any) -> Any:
        return binary_cross_entropy_with_logits(self(batch[0]), batch[1])

    def look(self, batch: Any) -> None:
        seen = self._of_test()
        seen.append(float(batch[0].sum()))
        if len(seen) == self.kill_at:
            raise Killed

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.look(batch)
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), 0.1)


class StopsEarly(Net):
    def configure_callbacks(self) -> Any:
        return [EarlyStopping("train_loss", patience=1, min_delta=0.05)]


class StopsInTheMiddle(Net):
    def on_train_batch_end(self, *_: Any) -> None:
        if self.trainer.global_step == 13:
            self.trainer.should_stop = True


class EndsEpochsEarly(Net):
    """Counts in an attribute of its own."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.batches = 0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
        self.batches += 1
        return -1 if self.batches in (8, 17) else None


class Accumulates(Net):
    def configure_callbacks(self) -> Any:
        return [GradientAccumulationScheduler({0: 2, 2: 4})]


class Noisy(Net):
    """Draws from every generator, keeps some of its own, and a running mean."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.generators = [np.random.default_rng(1), random.Random(2), torch.Generator().manual_seed(3)]
        self.mean = {"loss": torch.zeros(())}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.look(batch)
        a, b, c = self.generators
        old = np.random.rand()
        noise = a.normal() + b.random() + float(torch.rand((), generator=c)) + random.random() + float(torch.rand(())) + old
        loss = self.loss(batch) * (1 + noise / 10)
        self.mean["loss"] = 0.9 * self.mean["loss"] + 0.1 * loss.detach()
        return {"loss": loss + 0.1 * loss * self.mean["loss"]}


class Plateau(Net):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.5)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.3)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "train_loss"}}


class ByStep(Net):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.5, momentum=0.9)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


class Skips(Net):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return None if batch_idx % 3 == 0 else loss


class Manual(Net):
    """Two optimizers that step in different batches, a scheduler, gradients summed over batches, and no loss told."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.look(batch)
        first, second = self.optimizers()
        self.manual_backward(self.loss(batch))
        first.step()
        first.zero_grad()
        if batch_idx % 2:
            self.clip_gradients(second, 1.0, "norm")
            second.step()
            second.zero_grad()
            self.lr_schedulers()[1].step()

    def configure_optimizers(self) -> Any:
        optimizers = [torch.optim.SGD(self.l.parameters(), 0.1), torch.optim.Adam(self.g.parameters(), 0.1)]
        return optimizers, [torch.optim.lr_scheduler.StepLR(optimizer, 3) for optimizer in optimizers]


class Freezes(Net):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.trainer.current_epoch == 1 and batch_idx == 0:
            self.g.requires_grad_(False)


class AtTheEnd(Net):
    """Changes the weights when the fit is over."""

    def on_train_end(self) -> None:
        with torch.no_grad():
            self.l.weight.mul_(0.5)


def with_callback(make: Callable[[], Any]) -> type[Net]:
    return type("WithCallback", (Net,), {"configure_callbacks": lambda self: [make()]})


class OwnAveraging(StochasticWeightAveraging):
    pass


class OwnLoader(Net):
    def train_dataloader(self) -> Any:
        return []


class OpaqueState(Net):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = Path("/")


Averages = with_callback(lambda: StochasticWeightAveraging(0.1))
AveragesByItself = with_callback(lambda: OwnAveraging(0.1))
ChecksModels = with_callback(ModelCheckpoint)


class Normalised(Net):
    """Of each row it says what depends on the others of its batch."""

    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, x: Any) -> Any:
        return super().forward(self.norm(x))
