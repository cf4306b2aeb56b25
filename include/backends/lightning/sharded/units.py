"""Which modules of a model are gathered together: units of FSDP, small enough to be whole in a worker's memory for a moment."""

from __future__ import annotations

from collections import Counter

from torch import nn

from include.backends.lightning.sharded.deferred import SAFE
from include.core.errors import SpecError

# What a worker gathers at once. Smaller units take less memory and more messages.
UNIT_BYTES = 64 << 20
LARGEST = 2**31 - (64 << 20)  # of an ONNX file's weights: what reads the format takes 2 GiB, the graph with them

# Modules of torch that only hold others, and call each of them by itself. Any other one may use the weights of those within it.
_HOLD = (nn.Sequential, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)


def units(module: nn.Module, limit: int = UNIT_BYTES) -> list[nn.Module]:
    """The modules below `module` that are units of their own, the innermost first. What is in none belongs to the whole model.

    A parameter that two modules share is in one unit with both.
    """
    if bytes_of(module) <= limit:
        return []
    found = [unit for child in module.children() for unit in _split(child, limit)]
    everywhere, shared = _uses(module), set[int]()
    for unit in found:
        shared |= {parameter for parameter, uses in _uses(unit).items() if uses < everywhere[parameter]}
    return [unit for unit in found if shared.isdisjoint(_uses(unit))]


def check_size(module: nn.Module) -> None:
    """Raises SpecError for a model that no ONNX file can hold: before it trains."""
    size = bytes_of(module)
    if size > LARGEST:
        raise SpecError(
            "The model's weights are too large for the one ONNX file that serves it.", seen=f"{size / 2**30:.2f} GiB",
            safe=SAFE, hint="2 GiB are the format's limit: use fewer weights, or bfloat16 ones.",
        )  # fmt: skip


def bytes_of(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def _split(module: nn.Module, limit: int) -> list[nn.Module]:
    size = bytes_of(module)
    if size == 0:
        return []
    if _is_called(module) and (size <= limit or _is_whole(module)):
        return [module]
    return [unit for child in module.children() for unit in _split(child, limit)]


def _is_called(module: nn.Module) -> bool:
    """Whether it has a `forward`, by which FSDP knows when its weights are needed."""
    return type(module).forward is not nn.Module.forward


def _is_whole(module: nn.Module) -> bool:
    no_children = next(module.children(), None) is None
    return no_children or (type(module).__module__.startswith("torch.nn.modules.") and not isinstance(module, _HOLD))


def _uses(module: nn.Module) -> Counter[int]:
    """How often each parameter is some module's own."""
    parts = {*module.modules()}
    return Counter(id(parameter) for part in parts for parameter in part._parameters.values() if parameter is not None)
