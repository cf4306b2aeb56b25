"""A fit that diverges ends at the step at which it does: before its numbers are in a checkpoint, and without trying again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch

from include.backends.lightning.sharded.rows import local
from include.core.errors import DivergedError

_NAMED = 3  # parameters that a message names


class FiniteLoss(pl.Callback):
    """Looks at each batch's loss, which the fit reads anyway. A callback of the platform: it has no state."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None and not math.isfinite(float(loss)):
            raise diverged(f"the loss is {float(loss)}", trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        require_finite(trainer)  # what the last batch made of the weights no later loss would show


def require_finite(trainer: pl.Trainer) -> None:
    """Raises DivergedError where a weight is no finite number: a checkpoint of it would have the next attempt diverge at once.

    A gradient that overflows leaves such weights behind while the loss of its own batch was still a number.
    """
    wrong = [
        name
        for name, parameter in trainer.lightning_module.named_parameters()
        if parameter.is_floating_point() and not bool(torch.isfinite(local(parameter.detach())).all())
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise diverged(f"{', '.join(wrong[:_NAMED])}{more} hold what is no finite number", trainer)


def diverged(what: str, trainer: pl.Trainer) -> DivergedError:
    """`what`: which numbers are not finite any more."""
    batch = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    step = trainer.current_epoch * int(trainer.num_training_batches) + batch
    rates = [f"{group['lr']:.3g}" for optimizer in trainer.optimizers for group in optimizer.param_groups]
    return DivergedError(
        f"The fit diverged at step {step}, batch {batch} of epoch {trainer.current_epoch + 1}: {what}.",
        seen={"step": step, "epoch": trainer.current_epoch + 1, "learning rate": ", ".join(rates) or "none"},
        safe="nothing was committed; the checkpoints of steps before it are kept. It is not retried: the same steps lead there.",
        hint='lower the learning rate or clip gradients, look for inputs of extreme size, and with precision "16-mixed" try '
        '"bf16", whose range is float32\'s; then clear the task.',
    )
