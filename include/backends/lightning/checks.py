"""What a fit that may be killed at any moment cannot resume: refused before it trains."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning import callbacks as known
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.model_helpers import is_overridden

from include.core.errors import SpecError

# Callbacks of Lightning whose whole state is a state dict or plain attributes.
RESUMABLE: tuple[type[Callback], ...] = (known.EarlyStopping, known.GradientAccumulationScheduler, known.LambdaCallback)
_OWN_DATA = ("train_dataloader", "val_dataloader")
_SAFE = "nothing was trained; checkpoints that exist are kept."


def check_module(module: pl.LightningModule) -> None:
    """Raises SpecError for a module that brings its own data."""
    for hook in _OWN_DATA:
        if is_overridden(hook, module, pl.LightningModule):
            raise SpecError(
                f"{type(module).__name__}.{hook} would never be called: a fit is fed from the training set.",
                safe=_SAFE,
                hint=f"remove {hook}, or write a fit of your own around your loader.",
            )


def check_callback(callback: Callback) -> None:
    """Raises SpecError for a callback of Lightning that keeps state outside its state dict, or depends on the clock."""
    bases = [base for base in type(callback).__mro__ if base.__module__.startswith(("pytorch_lightning.callbacks", "lightning."))]
    if any(base not in (Callback, *RESUMABLE) for base in bases):
        raise SpecError(
            f"The callback {bases[0].__name__} cannot be resumed after a kill so that the fit ends with the same weights.",
            seen=type(callback).__name__,
            safe=_SAFE,
            hint=f"use {', '.join(kind.__name__ for kind in RESUMABLE)}, or a pytorch_lightning.Callback of your own; "
            "checkpoints are made without ModelCheckpoint.",
        )


def cannot_keep(error: Exception) -> Any:
    """The error for state that a checkpoint cannot hold, found by writing and reading one before the first batch."""
    head = " ".join(str(error).split())[:400]
    return SpecError(
        f"The state of this fit cannot be kept in a checkpoint: {type(error).__name__}: {head}",
        safe=_SAFE,
        hint="keep tensors, numbers, text, lists and dicts in state_dict() and on_save_checkpoint().",
    )
