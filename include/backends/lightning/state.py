"""State of a fit that neither torch's nor Lightning's state dicts hold: plain attributes, gradients, running metrics.

Everything becomes tensors, plain numbers, text, lists and dicts, so that it can be read with `weights_only=True`.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from include.core.errors import SpecError

Encoded = list[Any]  # [kind, value]

_PLAIN = (bool, int, float, str, type(None))
_NOT_STATE = (pl.Trainer, nn.Module, nn.Parameter, type, FunctionType, MethodType, ModuleType)
_DEEPEST = 6  # objects within objects
_FLAGS = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "add_dataloader_idx", "dataloader_idx")


def capture(module: pl.LightningModule, callbacks: list[pl.Callback]) -> dict[str, Any]:
    """What this worker's module and callbacks remember in plain attributes."""
    return {
        "attributes": {f"{name}|{key}": kept for name, owner in _owners(module, callbacks) for key, kept in _attributes(owner)},
        "learning": {name: parameter.requires_grad for name, parameter in module.named_parameters()},
        "training": {name: part.training for name, part in module.named_modules()},
    }


def restore(state: dict[str, Any], module: pl.LightningModule, callbacks: list[pl.Callback]) -> None:
    """Put back what `capture` took. Objects stay the same objects; their content changes."""
    for name, owner in _owners(module, callbacks):
        known = {key.partition("|")[2]: kept for key, kept in state["attributes"].items() if key.partition("|")[0] == name}
        for key, kept in known.items():
            setattr(owner, key, decode(kept, getattr(owner, key, None)))
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(state["learning"].get(name, parameter.requires_grad))
    for name, part in module.named_modules():
        part.training = state["training"].get(name, part.training)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """Gradients that wait for a step: manual optimisation may sum them over batches."""
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters() if parameter.grad is not None}


def restore_gradients(saved: dict[str, Tensor], module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name in saved:
            parameter.grad = saved[name].to(parameter.device)


def metrics(trainer: pl.Trainer) -> dict[str, Any]:
    """The running values of what was logged in this epoch, and the newest values that callbacks see."""
    running = []
    for key, metric in trainer.fit_loop.epoch_loop._results.items():
        if metric.is_tensor:
            meta = metric.meta
            running.append(
                {
                    "key": key,
                    "flags": {flag: getattr(meta, flag) for flag in _FLAGS},
                    "reduce": meta.reduce_fx.__name__,
                    "sync": [meta.sync.should, meta.sync.rank_zero_only],
                    "value": metric.value,
                    "count": getattr(metric, "cumulated_batch_size", None),
                    "reset": metric.has_reset,
                    "last": metric._forward_cache,
                }
            )
    seen = {name: torch.as_tensor(value) for name, value in trainer._logger_connector._callback_metrics.items()}
    return {"running": running, "seen": seen}


def restore_metrics(saved: dict[str, Any], trainer: pl.Trainer, *, within: bool) -> None:
    """Put back what `metrics` took; `within` an epoch its running values, too."""
    trainer._logger_connector._callback_metrics.update(saved["seen"])
    if not within:
        return
    results = trainer.fit_loop.epoch_loop._results
    for item in saved["running"]:
        meta = _Metadata(**item["flags"], reduce_fx=item["reduce"])
        should, rank_zero_only = item["sync"]
        meta.sync = _Sync(_should=should, fn=trainer.strategy.reduce, rank_zero_only=rank_zero_only)
        metric = _ResultMetric(meta, is_tensor=True)
        value, last, count = (_moved(item[name], trainer.strategy.root_device) for name in ("value", "last", "count"))
        metric.value, metric._forward_cache, metric.has_reset = value, last, item["reset"]
        metric._update_count = 1
        if count is not None:
            metric.cumulated_batch_size = count
        results[item["key"]] = metric
    trainer._logger_connector._first_loop_iter = True  # the next batch is not the epoch's first, which would clear them


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _owners(module: pl.LightningModule, callbacks: list[pl.Callback]) -> Iterator[tuple[str, object]]:
    yield from module.named_modules()
    for number, callback in enumerate(callbacks):
        yield f"callback {number}", callback


_MACHINERY = frozenset(vars(pl.LightningModule())) | frozenset(vars(nn.Module()))


def _attributes(owner: object) -> Iterator[tuple[str, Encoded]]:
    for key, value in vars(owner).items():
        if not (isinstance(owner, nn.Module) and key in _MACHINERY):
            kept = encode(value)
            if kept is not None:
                yield key, kept


def encode(value: Any, depth: int = 0) -> Encoded | None:
    """A value as [kind, content], or None for what is no state: code, modules (theirs is a state dict), opaque objects."""
    if isinstance(value, _PLAIN):
        return ["plain", value]
    if isinstance(value, DTensor) and not isinstance(value, nn.Parameter):
        raise SpecError(
            "An attribute of the module or a callback holds a part of a weight, which no checkpoint can keep.",
            seen=list(value.shape), safe="checkpoints that exist are kept.", hint='say training.strategy="ddp".',
        )  # fmt: skip
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        kept = value.detach().clone()
        return ["tensor", kept] if kept.device.type == "cpu" else ["tensor", kept, kept.device.type]  # it is read on the CPU
    if isinstance(value, _NOT_STATE) or depth > _DEEPEST:
        return None
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return ["array", torch.from_numpy(value.copy())]
    if isinstance(value, np.generic):
        return ["number", value.dtype.str, value.item()] if value.dtype.kind in "biuf" else None
    if isinstance(value, np.random.Generator):
        return ["numpy", json.dumps(value.bit_generator.state, default=lambda array: {"array": array.tolist()})]
    if isinstance(value, random.Random):
        return ["random", json.dumps(value.getstate())]
    if isinstance(value, torch.Generator):
        return ["torch", value.get_state()]
    if callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None)):
        return ["state", value.state_dict()]
    if isinstance(value, dict):
        return ["dict", [[key, encode(item, depth + 1)] for key, item in value.items() if isinstance(key, _PLAIN)]]
    if type(value) in (list, tuple, set, frozenset, deque):
        return [type(value).__name__, [encode(item, depth + 1) for item in value], getattr(value, "maxlen", None)]
    if hasattr(value, "__dict__") and not callable(value):
        return ["object", [[key, encode(item, depth + 1)] for key, item in vars(value).items()]]
    return None


_CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def decode(kept: Encoded | None, old: Any) -> Any:
    """The value again; objects that have an identity (`old`, of the fresh module) are changed in place."""
    if kept is None:
        return old
    kind, content = kept[0], kept[1]
    if kind == "plain":
        return content
    if kind == "tensor":
        if isinstance(old, Tensor) and old.shape == content.shape and old.dtype == content.dtype:
            with torch.no_grad():
                return old.copy_(content)
        return content.to(kept[2]) if len(kept) > 2 else content
    if kind == "array":
        return content.numpy()
    if kind == "number":
        return np.dtype(content).type(kept[2])
    if kind in ("numpy", "random", "torch", "state"):
        _load(kind, content, old)
        return old
    if kind == "dict":
        known = old if isinstance(old, dict) else {}
        fresh = {key: decode(item, known.get(key)) for key, item in content}
        known.clear()
        known.update(fresh)
        return known
    if kind == "object":
        for key, item in content:
            object.__setattr__(old, key, decode(item, getattr(old, key, None)))
        return old
    olds = list(old) if isinstance(old, (list, tuple, deque)) else []
    items = [decode(item, olds[number] if number < len(olds) else None) for number, item in enumerate(content)]
    return deque(items, kept[2]) if kind == "deque" else _CONTAINERS[kind](items)


def _load(kind: str, content: Any, old: Any) -> None:
    if kind == "numpy":
        old.bit_generator.state = json.loads(
            content, object_hook=lambda item: np.array(item["array"]) if "array" in item else item
        )
    elif kind == "random":
        version, numbers, gauss = json.loads(content)
        old.setstate((version, tuple(numbers), gauss))
    elif kind == "torch":
        old.set_state(content)
    else:
        old.load_state_dict(content)
