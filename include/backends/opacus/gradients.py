"""Opacus on a module that stays what it is: gradients by row through hooks, an optimizer that clips them and adds noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from include.core.errors import SpecError

SAFE = "nothing was trained; checkpoints that exist are kept."
INSTEAD = "use LayerNorm or GroupNorm for BatchNorm, and the layers of opacus.layers for recurrent ones and attention"


def check_layers(module: nn.Module) -> None:
    """Raises SpecError naming a layer whose gradient by row tells of other rows, or that has none."""
    from opacus.validators import ModuleValidator

    for name, layer in module.named_modules():
        own = list(layer.parameters(recurse=False))
        if type(layer) in ModuleValidator.VALIDATORS and own:
            wrong = ModuleValidator.VALIDATORS[type(layer)](layer)
            if wrong:
                raise _refused(name, layer, str(wrong[0]))
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # without weights of its own, too, rows know of each other
            raise _refused(name, layer, "what it says of a row depends on the others of its batch")
        if any(each.requires_grad for each in own) and list(layer.buffers(recurse=False)):
            raise _refused(name, layer, "it keeps statistics of rows beside its weights")


def _refused(name: str, layer: nn.Module, why: str) -> SpecError:
    return SpecError(
        f"The layer {name or 'of the module itself'} ({type(layer).__name__}) cannot be trained with differential privacy.",
        seen=" ".join(why.split())[:200], safe=SAFE, hint=f"{INSTEAD}.",
    )  # fmt: skip


class RowGradients:
    """Hooks that leave each parameter the gradient of every row. Nothing of them is part of the module."""

    def __init__(self, module: nn.Module) -> None:
        from opacus.grad_sample import GradSampleHooks

        self._hooks: Any = GradSampleHooks(module, loss_reduction="mean", strict=False)
        self._hooks.forbid_grad_accumulation()
        del module.autograd_grad_sample_hooks  # it is no state of the fit; the hooks know theirs

    def remove(self) -> None:
        self._hooks.remove_hooks()


def noisy(
    optimizer: torch.optim.Optimizer,
    noise_multiplier: float,
    max_grad_norm: float,
    batch_size: int,
    generator: torch.Generator,
    workers: int = 1,
) -> torch.optim.Optimizer:
    """The optimizer, on clipped sums of gradients with noise. The noise is summed of several draws, so that the places of its
    floating point numbers tell nothing (Opacus' secure mode); `generator` is whose draws they are.

    Of several workers each clips its own rows, the first adds the noise, once, and their sum is every worker's gradient.
    `batch_size`: of all of them.
    """
    from opacus.optimizers import DistributedDPOptimizer, DPOptimizer

    kind = DPOptimizer if workers == 1 else DistributedDPOptimizer
    # The library divides the sum by this and by the number of workers.
    made: torch.optim.Optimizer = kind(
        optimizer, noise_multiplier=noise_multiplier, max_grad_norm=max_grad_norm, expected_batch_size=batch_size / workers,
        generator=generator, secure_mode=True,
    )  # fmt: skip
    return made
