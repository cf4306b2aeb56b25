"""Checkpoints within the epoch: model, optimizer and schedule every N steps, resumed at the very step.

The file is a torch state dict of tensors and plain numbers, read with `weights_only=True`: no pickle is
ever executed. The random state of each step is seeded by (seed, step, rank), so a fit that was killed and
resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import io
import logging
from typing import Any

import pytorch_lightning as pl
import torch

from include.backends.lightning_plan import Place, Plan
from include.core import fault
from include.core.request import Json
from include.training.checkpoint import CheckpointStore
from include.training.spool import MetricSpool

log = logging.getLogger(__name__)

LOSS = "train_loss"  # the epoch's mean of what training_step returns, where the module logs it under this name

State = dict[str, Any]  # step, world, model, optimizers, schedulers, history, metrics (those in no batch of the spool)


def read_state(data: bytes) -> State:
    state: State = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state


class StepCheckpoint(pl.Callback):
    """Restores a state before the first step, and saves one every `every` steps and at each epoch's end."""

    def __init__(self, store: CheckpointStore, plan: Plan, place: Place, state: State | None, spool: MetricSpool | None) -> None:
        self._store, self._course, self._place, self._state = store, plan.course, place, state
        self._every, self._track = plan.checkpoint_every, plan.track_every
        self._spool = spool if place.rank == 0 else None
        self._start = int(state["step"]) if state else 0
        self.history: list[dict[str, Json]] = list(state["history"]) if state else []
        self._losses = float(state.get("losses", 0.0)) if state else 0.0  # of the epoch so far, summed over its steps
        if state and self._spool:
            self._spool.restore(state.get("metrics", []))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del pl_module
        if self._state:
            for optimizer, saved in zip(trainer.optimizers, self._state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            for config, saved in zip(trainer.lr_scheduler_configs, self._state["schedulers"], strict=True):
                config.scheduler.load_state_dict(saved)
            log.warning("resumed at step %d of %d", self._start, self._course.steps)
            if self._state.get("world", self._place.world) != self._place.world:
                log.warning(
                    "resumed on %d worker(s) from a checkpoint of %d: the same rows in the same order, "
                    "but dropout and rounding differ, so the weights are not those of an undisturbed fit",
                    self._place.world, self._state["world"],
                )  # fmt: skip

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        step = self._start + trainer.global_step
        torch.manual_seed((self._course.seed * 1_000_003 + step) * 64 + self._place.rank)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        fault.point("train.step")
        step = self._start + trainer.global_step
        loss = float(outputs["loss"] if isinstance(outputs, dict) else outputs)
        self._losses += loss
        if self._spool and step % self._track == 0:
            self._spool.append({"step_loss": loss}, step)
        if step % self._every == 0 and step % self._course.steps_per_epoch:
            self._save(trainer, pl_module, step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step = self._start + trainer.global_step
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if LOSS in metrics:  # Lightning's mean knows only the steps since a resume
            metrics[LOSS] = self._mean_losses(trainer) / self._course.steps_per_epoch
        self._losses = 0.0
        row = {"epoch": step // self._course.steps_per_epoch, **metrics}
        self.history.append({"step": step, **row})
        if self._spool:
            self._spool.append(row, step)
        self._save(trainer, pl_module, step)

    def _mean_losses(self, trainer: pl.Trainer) -> float:
        """Over the workers: each sees its share of every batch."""
        if self._place.world == 1:
            return self._losses
        return float(trainer.strategy.reduce(torch.tensor(self._losses, dtype=torch.float64), reduce_op="mean"))

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> None:
        losses = self._mean_losses(trainer)  # all workers take part
        if self._place.rank:
            return
        state: State = {
            "step": step,
            "world": self._place.world,
            "model": module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
            "history": self.history,
            "losses": losses,
            "metrics": self._spool.pending() if self._spool else [],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self._store.save_step(step, buffer.getvalue())
