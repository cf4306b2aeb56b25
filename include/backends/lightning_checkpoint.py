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
        if self._spool and step % self._track == 0:
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            self._spool.append({"step_loss": float(loss)}, step)
        if step % self._every == 0 and step % self._course.steps_per_epoch:
            self._save(trainer, pl_module, step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        step = self._start + trainer.global_step
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"epoch": step // self._course.steps_per_epoch, **metrics}
        self.history.append({"step": step, **row})
        if self._spool:
            self._spool.append(row, step)
        self._save(trainer, pl_module, step)

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> None:
        if self._place.rank:
            return
        state: State = {
            "step": step,
            "world": self._place.world,
            "model": module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
            "history": self.history,
            "metrics": self._spool.pending() if self._spool else [],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        self._store.save_step(step, buffer.getvalue())
