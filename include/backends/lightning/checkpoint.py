"""Checkpoints within the epoch: all of Lightning's state every N batches, resumed at the very batch.

A step is a batch of the course, whatever the optimizers did in it. The file is a torch state dict of tensors and
plain numbers, read with `weights_only=True`: no pickle is ever executed. Python's, NumPy's and torch's random states
are seeded by (seed, step, rank) in each step, so a fit that was killed and resumed ends with the same weights as one
that was not.
"""

from __future__ import annotations

import logging
import pickle
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch

from include.backends.lightning import state as kept
from include.backends.lightning.checks import cannot_keep, check_callback
from include.backends.lightning.finite import require_finite
from include.backends.lightning.plan import Place, Plan
from include.backends.lightning.sharded.rows import (
    Record,
    layout,
    load_gradients,
    rows_of_fit,
    rows_of_weights,
    save_rows,
    uncut,
)
from include.backends.lightning.shares import factor
from include.backends.lightning.state_file import State, read_state, write_state
from include.core import fault
from include.training.checkpoint import CheckpointStore
from include.training.spool import MetricSpool

log = logging.getLogger(__name__)

T = TypeVar("T")

LOSS = "train_loss"  # the epoch's mean of what training_step returns, where the module logs it under this name


def seed_all(seed: int) -> None:
    """Python's, NumPy's and torch's own random numbers."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # a module's code may use the old functions
    torch.manual_seed(seed)


class Left(Exception):
    """The fit was asked to leave, and is saved up to `step`: the next one goes on there."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the fit left at step {step}, which is saved")
        self.step = step

    def __reduce__(self) -> tuple[type[Left], tuple[int]]:
        return Left, (self.step,)


class StepCheckpoint(pl.Callback):
    """Restores what Lightning's own checkpoint lacks, and saves every `every` batches and at each epoch's end."""

    beside: tuple[pl.Callback, ...] = ()  # callbacks of the platform
    leaves: Callable[[], bool] | None = None
    spent: Callable[[], Any] | None = None  # what a private fit has spent so far

    def __init__(self, store: CheckpointStore, plan: Plan, place: Place, state: State | None, spool: MetricSpool | None) -> None:
        self._store, self._course, self._place, self._state = store, plan.course, place, state
        self._every, self._track = plan.checkpoint_every, plan.track_every
        self._spool = spool if place.rank == 0 else None
        self._start = int(state["step"]) if state else 0
        self.history: list[dict[str, Any]] = list(state["history"]) if state else []
        losses, counted = state["losses"] if state else (0.0, 0)
        self._losses, self._counted = float(losses), int(counted)  # of the epoch so far: sum, and batches that had one
        self._sharded = plan.strategy == "fsdp"
        self._due, self._leaving, self._accumulate = False, False, 0
        if state and self._spool:
            self._spool.restore(state.get("metrics", []))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        others = self._others(trainer)
        for callback in others:
            check_callback(callback)
        self._try_to_keep(trainer)
        if self._state is None:
            return
        workers = self._state["workers"]
        kept.restore(workers[self._place.rank] if self._place.rank < len(workers) else workers[0], pl_module, others)
        kept.restore_gradients(self._state["gradients"], pl_module)
        if self._sharded:
            load_gradients(pl_module, self._store, self._state, self._place)
        within = self._start % self._course.steps_per_epoch
        if within:
            self._accumulate = int(self._state["accumulate"])
        if self._place.rank < len(workers):
            # Running values are each worker's own: of another number of workers they are no part of this fit's.
            same = self._state["world"] == self._place.world
            kept.restore_metrics(workers[self._place.rank]["metrics"], trainer, within=within > 0 and same)
        fit = trainer.fit_loop
        fit._restarting = False  # the epoch's end then does all that it does in a fit that was never killed
        if not within:
            fit.epoch_loop.restarting = False  # nothing of the next epoch is done
        log.warning("resumed at step %d of %d", self._start, self._course.steps)
        if self._state["world"] != self._place.world:
            log.warning(
                "resumed on %d worker(s) from a checkpoint of %d: the same rows in the same order, "
                "but dropout and rounding differ, so the weights are not those of an undisturbed fit",
                self._place.world, self._state["world"],
            )  # fmt: skip

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del pl_module
        self._seed(trainer.current_epoch * self._course.steps_per_epoch)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._accumulate:  # a callback set it when the epoch began, and refuses to find it set when the fit begins
            trainer.accumulate_grad_batches, self._accumulate = self._accumulate, 0
        self._seed(self._step(trainer) - 1)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        del pl_module
        fault.point("train.step")
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is None:  # a batch that was skipped, or manual optimisation that tells nothing
            return
        self._losses += float(loss)
        self._counted += 1
        step = self._step(trainer)
        if self._spool and step % self._track == 0:
            self._spool.append({"step_loss": float(loss)}, step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del pl_module
        step = self._epoch_end(trainer)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        losses, counted = self._mean_losses(trainer)
        if LOSS in metrics and counted:
            metrics[LOSS] = losses / counted
        row = {"epoch": step // self._course.steps_per_epoch, **metrics}
        self.history.append({"step": step, **row})
        if self._spool:
            self._spool.append(row, step)

    # -- called by the loops ---------------------------------------------------------------------------

    def after_batch(self, trainer: pl.Trainer) -> None:
        step = self._step(trainer)
        self._leaving = self._leaving or (self.leaves is not None and self.leaves())
        self._due = self._due or self._leaving or step % self._every == 0
        # Where the epoch ends here, its end is saved. Half a sum of gradients is each worker's own: the next batch will do.
        ends = step % self._course.steps_per_epoch == 0 or trainer.should_stop
        waits = trainer.lightning_module.automatic_optimization and trainer.fit_loop._should_accumulate()
        if self._due and not ends and not waits:
            self._save(trainer, step)
            self._leave(step)

    def after_epoch(self, trainer: pl.Trainer) -> None:
        self._losses, self._counted = 0.0, 0
        if not trainer.fit_loop.done:  # what follows the last epoch belongs to it: `finish` saves the whole
            step = trainer.current_epoch * self._course.steps_per_epoch
            self._save(trainer, step)
            self._leave(step)

    def _leave(self, step: int) -> None:
        """Raises Left where that was asked for; a fit that is at its end is not left."""
        if self._leaving:
            raise Left(step)

    def finish(self, module: pl.LightningModule) -> None:
        """Save the trained model, once every hook of the fit is done."""
        step = int(self.history[-1]["step"]) if self.history else self._course.steps
        records = save_rows(self._store, step, self._place, rows_of_weights(module, self._place)) if self._sharded else []
        shards = [record for each in self._of_all(records) for record in each] if self._sharded else []
        if self._place.rank:
            return
        trained = uncut(module) if self._sharded else module.state_dict()
        state = {"step": step, "done": True, "world": self._place.world, "trainer": {"state_dict": trained}}
        workers = [kept.capture(module, [])]
        more = {"workers": workers, "gradients": {}, "history": self.history, "losses": [0.0, 0], "metrics": self._pending()}
        more["privacy"] = self.spent() if self.spent else []
        cut = {"shards": shards, "layout": layout(module, [])} if self._sharded else {}
        self._store.save_step(step, write_state({**state, **more, **cut}))

    # --------------------------------------------------------------------------------------------------

    def _step(self, trainer: pl.Trainer) -> int:
        """Batches of the course up to and with this one: not optimizer steps, of which a batch may make none or many."""
        return trainer.current_epoch * self._course.steps_per_epoch + trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def _epoch_end(self, trainer: pl.Trainer) -> int:
        return (trainer.current_epoch + 1) * self._course.steps_per_epoch

    def _seed(self, step: int) -> None:
        seed_all((self._course.seed * 1_000_003 + step) * 64 + self._place.rank)

    def _others(self, trainer: pl.Trainer) -> list[pl.Callback]:
        return [callback for callback in trainer.callbacks if callback is not self and callback not in self.beside]  # type: ignore[attr-defined]

    def _pending(self) -> list[Any]:
        return self._spool.pending() if self._spool else []

    def _mean_losses(self, trainer: pl.Trainer) -> tuple[float, int]:
        """Over the workers: each sees its share of every batch."""
        if self._place.world == 1:
            return self._losses, self._counted
        share = factor(self._course, self._place)
        both = torch.tensor([self._losses * share, self._counted], dtype=torch.float64, device=trainer.strategy.root_device)
        losses, counted = trainer.strategy.reduce(both, reduce_op="mean").tolist()
        return losses, round(counted)

    def _of_all(self, mine: T) -> list[T]:
        if self._place.world == 1:
            return [mine]
        workers: list[Any] = [None] * self._place.world
        torch.distributed.all_gather_object(workers, mine)
        return workers

    def _mine(self, trainer: pl.Trainer) -> dict[str, Any]:
        return {**kept.capture(trainer.lightning_module, self._others(trainer)), "metrics": kept.metrics(trainer)}

    def _whole(self, trainer: pl.Trainer, workers: list[dict[str, Any]]) -> State:
        return {
            "world": self._place.world,
            "trainer": trainer._checkpoint_connector.dump_checkpoint(weights_only=False),
            "workers": workers,
            "accumulate": trainer.accumulate_grad_batches,
            "gradients": {} if self._sharded else kept.gradients(trainer.lightning_module),
            "history": self.history,
            "metrics": self._pending(),
            "privacy": self.spent() if self.spent else [],
        }

    def _try_to_keep(self, trainer: pl.Trainer) -> None:
        """Write and read a checkpoint before the first batch. Raises SpecError if that cannot be done."""
        try:
            read_state(write_state(self._whole(trainer, [self._mine(trainer)])))
        except (pickle.UnpicklingError, pickle.PicklingError, TypeError, AttributeError, RuntimeError, ValueError) as error:
            raise cannot_keep(error) from error

    def _save(self, trainer: pl.Trainer, step: int) -> None:
        self._due = False
        require_finite(trainer)
        losses = self._mean_losses(trainer)  # all workers take part
        records = self._save_rows(trainer, step)
        workers = self._of_all((self._mine(trainer), records))
        if self._place.rank == 0:
            state = {"step": step, "losses": list(losses), **self._whole(trainer, [mine for mine, _ in workers])}
            if self._sharded:
                state["shards"] = [record for _, each in workers for record in each]
                state["layout"] = layout(trainer.lightning_module, trainer.optimizers)
            fault.point("checkpoint.shards")
            self._store.save_step(step, _readable(state) if self._sharded else write_state(state))

    def _save_rows(self, trainer: pl.Trainer, step: int) -> list[Record]:
        if not self._sharded:
            return []
        rows = rows_of_fit(trainer.lightning_module, trainer.optimizers, self._place)
        return save_rows(self._store, step, self._place, rows)


def _readable(state: State) -> bytes:
    """The file of a small state, its tensors being in blobs. Raises SpecError where an optimizer keeps what cannot be read."""
    data = write_state(state)
    try:
        read_state(data)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise cannot_keep(error) from error
    return data
