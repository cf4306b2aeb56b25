"""A fit that is a trial of a search: measured at its rung, where it leaves, and gone on with under other parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytorch_lightning as pl

from include.backends.lightning.checkpoint import StepCheckpoint
from include.backends.lightning.export import Probability, score
from include.backends.lightning.perturbed import perturb, require_same_shape
from include.backends.lightning.plan import Build, Plan
from include.training.job import Rows
from include.training.rung import Rung


class RungCallback(pl.Callback):
    """Leaves at the start of the epoch after the rung: what belongs to the rung's last epoch is done and saved by then.

    At the course's end nothing follows, so there it is the trainer's teardown. What is measured are the weights alone, so a fit
    that was killed after its last checkpoint and before it was measured is measured the same.
    """

    def __init__(self, rung: Rung, plan: Plan, build: Build, train: Rows, validation: Rows) -> None:
        self._rung, self._build, self._train, self._validation = rung, build, train, validation
        self._plan = replace(plan, params=dict(plan.params))  # a module may keep the plan, and a resume put another one's into it

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Before the checkpoint is read: weights of another shape are refused in words, not by torch."""
        if self._rung.donor is not None and stage == "fit":
            require_same_shape(self._fresh(trainer, dict(self._rung.donor)), pl_module)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Of weights that another trial has left: the parameters that differ become this trial's."""
        donor, epoch = self._rung.donor, trainer.fit_loop.epoch_loop
        ready = epoch.batch_progress.current.ready % self._plan.course.steps_per_epoch
        if donor is None or ready or trainer.current_epoch != self._rung.start:
            return  # what this leg itself has saved has them already
        theirs, ours = (self._fresh(trainer, params) for params in (dict(donor), dict(self._plan.params)))
        perturb(trainer, pl_module, theirs, ours)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch >= self._rung.until:
            self._reach(trainer, pl_module, trainer.current_epoch)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        done, until = trainer.current_epoch, self._rung.until
        # Before the end of the course it is a fit that stops by itself, if only at the rung: it leaves nothing to go on with.
        self._reach(trainer, pl_module, done if until == self._plan.course.epochs else min(done, until - 1))

    def _reach(self, trainer: pl.Trainer, module: pl.LightningModule, epochs: int) -> NoReturn:
        history = next(each.history for each in _callbacks(trainer) if isinstance(each, StepCheckpoint))
        model = Probability(module.cpu(), self._plan.inputs, self._plan.link)  # wherever it was trained: the fit is left
        outputs = np.concatenate([score(model, rows.features) for rows in self._validation.batches()])
        self._rung.reach(epochs, outputs, history)

    def _fresh(self, trainer: pl.Trainer, params: dict[str, Any]) -> pl.LightningModule:
        """A module of those parameters that has seen nothing yet."""
        module = self._build(replace(self._plan, params=params), self._train.sample().features)
        module.trainer = trainer
        return module


def _callbacks(trainer: pl.Trainer) -> list[pl.Callback]:
    return list(trainer.callbacks)  # type: ignore[attr-defined]
