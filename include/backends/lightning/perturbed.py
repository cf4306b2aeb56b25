"""Going on with a fit under other parameters: "explore" of population based training.

A checkpoint holds what parameters were turned into: rates of the optimizer, bounds of its schedule, attributes of the module.
Which of those a parameter is behind nobody declares. So two fresh modules are compared, one of the parameters that the weights
were trained with and one of the new ones: what differs between them is set, and all else stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.core.optimizer import _init_optimizers_and_lr_schedulers
from torch import Tensor, nn
from torch.optim import Optimizer

from include.core.errors import SpecError

_PLAIN = (bool, int, float, str, type(None))
_NOT_VALUES = (nn.Module, nn.Parameter, Tensor, Optimizer, pl.Trainer, type)
_DEEPEST = 6  # objects within objects


def perturb(trainer: pl.Trainer, module: pl.LightningModule, old: pl.LightningModule, new: pl.LightningModule) -> None:
    """Make `module`, trained as `old` was made, go on as `new` is made. All have weights of the same shape."""
    theirs, ours = (_init_optimizers_and_lr_schedulers(each) for each in (old, new))
    for live, before, after in zip(trainer.optimizers, theirs[0], ours[0], strict=True):
        for groups in zip(live.param_groups, before.param_groups, after.param_groups, strict=True):
            _set_group(*groups)
    for config, former, later in zip(trainer.lr_scheduler_configs, theirs[1], ours[1], strict=True):
        schedule = config.scheduler
        merged(schedule, former.scheduler, later.scheduler)
        if hasattr(schedule, "_last_lr") and hasattr(schedule, "optimizer"):
            schedule._last_lr = [group["lr"] for group in schedule.optimizer.param_groups]
    parts = dict(module.named_modules())
    after_parts = dict(new.named_modules())
    for name, before_part in old.named_modules():
        _merge_attributes(parts[name], before_part, after_parts[name], 0)


def require_same_shape(old: nn.Module, new: nn.Module) -> None:
    """Raises SpecError where the weights of both differ in shape."""
    theirs, ours = ({name: tuple(each.shape) for name, each in made.named_parameters()} for made in (old, new))
    if theirs != ours:
        changed = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        raise SpecError(
            "A parameter that was perturbed gives the weights another shape: a trial cannot go on with another one's.",
            seen=changed[:5],
            safe="the other trials go on.",
            hint="say perturb=False in training.search.space of what the network is built by.",
        )


def _set_group(live: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    """The settings of one group of an optimizer. A rate that a schedule has moved keeps its place in it."""
    base = "initial_lr" if "initial_lr" in before else "lr"
    for name, value in after.items():
        if name == "params" or name not in before or before[name] == value:
            continue
        live[name] = live[name] * after[base] / before[base] if name == "lr" and before[base] else value


def merged(live: Any, old: Any, new: Any, depth: int = 0) -> Any:
    """`live` with what differs between `old` and `new` as `new` has it. Objects stay the same objects."""
    if isinstance(new, _NOT_VALUES) or callable(new) or depth > _DEEPEST or type(old) is not type(new):
        return live
    if isinstance(new, _PLAIN):
        return live if old == new else new
    if isinstance(new, dict) and isinstance(live, dict):
        for key in new.keys() & old.keys() & live.keys():
            live[key] = merged(live[key], old[key], new[key], depth + 1)
        return live
    if isinstance(new, list | tuple):
        return _merged_items(live, old, new, depth)
    if hasattr(new, "__dict__") and type(live) is type(new):
        _merge_attributes(live, old, new, depth)
    return live


def _merged_items(live: Any, old: Sequence[Any], new: Sequence[Any], depth: int) -> Any:
    if not isinstance(live, list | tuple) or not len(live) == len(old) == len(new) or hasattr(live, "_fields"):
        return live
    return type(live)(merged(*each, depth + 1) for each in zip(live, old, new, strict=True))


_MACHINERY = frozenset(vars(pl.LightningModule())) | frozenset(vars(nn.Module()))


def _merge_attributes(live: Any, old: Any, new: Any, depth: int) -> None:
    known = vars(old)
    for key, value in vars(new).items():
        if key in known and key in vars(live) and not (isinstance(new, nn.Module) and key in _MACHINERY):
            object.__setattr__(live, key, merged(vars(live)[key], known[key], value, depth + 1))
