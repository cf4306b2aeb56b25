"""Lightning's own loops, which notify a listener after each batch and each epoch: when everything that belongs to it is done.

A callback's hooks come too early for that: other callbacks, the module's hook, validation and the learning rate of
the same batch or epoch follow them.
"""

from __future__ import annotations

from typing import Any, Protocol

import pytorch_lightning as pl
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop


class LoopListener(Protocol):
    def after_batch(self, trainer: pl.Trainer) -> None: ...
    def after_epoch(self, trainer: pl.Trainer) -> None: ...


class EpochLoop(_TrainingEpochLoop):
    listener: LoopListener

    def on_advance_end(self, data_fetcher: Any) -> None:
        super().on_advance_end(data_fetcher)
        self.listener.after_batch(self.trainer)


class FitLoop(_FitLoop):
    listener: LoopListener

    def on_advance_end(self) -> None:
        super().on_advance_end()
        self.listener.after_epoch(self.trainer)


def install_loops(trainer: pl.Trainer, listener: LoopListener, epochs: int) -> None:
    """Give the trainer these loops."""
    fit = FitLoop(trainer, min_epochs=None, max_epochs=epochs)
    fit.epoch_loop = epoch = EpochLoop(trainer)
    fit.listener = epoch.listener = listener
    trainer.fit_loop = fit
