"""Lightning's own loops, with a word after each batch and each epoch: when everything that belongs to it is done.

A callback's hooks come too early for that: other callbacks, the module's hook, validation and the learning rate of
the same batch or epoch follow them.
"""

from __future__ import annotations

from typing import Any, Protocol

import pytorch_lightning as pl
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop


class Told(Protocol):
    def after_batch(self, trainer: pl.Trainer) -> None: ...
    def after_epoch(self, trainer: pl.Trainer) -> None: ...


class EpochLoop(_TrainingEpochLoop):
    told: Told

    def on_advance_end(self, data_fetcher: Any) -> None:
        super().on_advance_end(data_fetcher)
        self.told.after_batch(self.trainer)


class FitLoop(_FitLoop):
    told: Told

    def on_advance_end(self) -> None:
        super().on_advance_end()
        self.told.after_epoch(self.trainer)


def tell(trainer: pl.Trainer, told: Told, epochs: int) -> None:
    """Give the trainer these loops."""
    fit = FitLoop(trainer, min_epochs=None, max_epochs=epochs)
    fit.epoch_loop = epoch = EpochLoop(trainer)
    fit.told = epoch.told = told
    trainer.fit_loop = fit
