"""A module that is built without being held: its parameters are on `meta`, and each worker keeps its own rows of their values.

Whatever the author's constructor does to a parameter (creates it, draws its initial values, fills a row) is done for real to that
one parameter, in the order in which it is written down, so that the values are those of a module that was built as usual, to the
last bit, on any number of workers. Then the worker's rows are kept and the rest is let go: no more than one whole parameter is
in memory at a time. What needs the values of several parameters at once is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakTensorKeyDictionary

from include.backends.lightning.plan import Place
from include.core.errors import SpecError

# Functions that do nothing to a tensor on meta, or look at values on their way: they are given the whole parameter.
_INITS = ("_no_grad_trunc_normal_", "eye_", "dirac_", "orthogonal_", "sparse_")
SAFE = "nothing was trained; checkpoints that exist are kept."
HINT = (
    "create each parameter by itself, and set its initial values by functions of numbers, as torch.nn.init's are, "
    'or say training.strategy="ddp"'
)


def rows_of(length: int, place: Place) -> slice:
    """The rows of a parameter that a worker holds: as FSDP cuts them, the last worker's may be fewer, or none."""
    each = -(-length // place.world)
    start = min(length, each * place.rank)
    return slice(start, min(length, start + each))


@dataclass
class Kept:
    """One parameter: its whole shape on `meta`, and the worker's rows of its value."""

    whole: Tensor  # kept, so that no other tensor takes its place in memory
    rows: Tensor
    part: slice

    def change(self, do: Callable[[Tensor], Any]) -> None:
        """Change the value by what must see the whole of it. Of other workers' rows it sees no value, and none is kept."""
        if self.part.stop == 0:
            return
        whole = torch.empty(self.whole.shape, dtype=self.whole.dtype)
        whole[self.part] = self.rows
        do(whole)
        self.rows.copy_(whole[self.part])


class Deferred(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, every parameter that a module is given goes to `meta`."""

    def __init__(self, place: Place | None) -> None:
        """Without a place nothing of the values is kept: the module is only to be looked at."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._place = place
        self._kept: dict[int, Kept] = {}  # by the storage of the parameter on meta
        self._seen: Any = WeakTensorKeyDictionary()  # the parameter on meta of a real one, which several modules may be given

    @contextmanager
    def building(self) -> Iterator[None]:
        """Build within it. Raises SpecError for what cannot be built so."""
        register = nn.Module.register_parameter

        def registered(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
            register(module, name, param)
            if param is not None and param.device.type != "meta":
                module._parameters[name] = self._deferred(name, param)

        with ExitStack() as stack:
            stack.enter_context(patch.object(nn.Module, "register_parameter", registered))
            for name in _INITS:
                stack.enter_context(patch.object(nn.init, name, self._on_whole(getattr(nn.init, name))))
            stack.enter_context(self)
            stack.enter_context(_Unseen(self))
            try:
                yield
            except (NotImplementedError, RuntimeError) as error:
                if "meta" not in str(error).lower():
                    raise
                raise refused("reads the values of its parameters while it is built", str(error)) from error

    def rows(self, name: str, parameter: nn.Parameter) -> Tensor:
        """The worker's rows of a parameter. Raises SpecError for one whose values nobody knows."""
        kept = self._kept.get(_storage(parameter))
        if kept is None or kept.whole.shape != parameter.shape:
            raise refused(f"makes the parameter {name} of other parameters, or on the device meta", name)
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
            raise refused(f"has a hook on the gradient of {name}, of which a worker sees a part", name)
        return kept.rows

    def _deferred(self, name: str, param: nn.Parameter) -> nn.Parameter:
        known: nn.Parameter | None = self._seen.get(param)
        if known is None:
            if is_lazy(param):
                raise refused(f"learns the shape of the parameter {name!r} from its first batch", name)
            if param.dim() == 0:
                raise refused(f"has the parameter {name!r} without a dimension, which has no rows to share out", name)
            known = type(param)(torch.empty_like(param, device="meta"), requires_grad=param.requires_grad)
            part = rows_of(len(param), self._place) if self._place else slice(0, 0)
            self._kept[_storage(known)] = Kept(known.detach(), param.detach()[part].clone(), part)
            self._seen[param] = known
        return known

    def of(self, tensor: object) -> Kept | None:
        """The parameter that a tensor on meta is, or a view of."""
        return self._kept.get(_storage(tensor)) if _on_meta(tensor) else None

    def _on_whole(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def on_whole(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            kept = self.of(tensor)
            if kept is None:
                return function(tensor, *args, **kwargs)
            kept.change(lambda whole: function(_same_part(whole, tensor), *args, **kwargs))
            return tensor

        return on_whole

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = args[0] if args else None
        kept = self.of(target)
        if func._schema.is_mutable:
            others = [each for each in tree_iter((args, kwargs)) if each is not target and _on_meta(each)]
            if others and (kept is not None or any(self.of(each) for each in others)):
                raise refused(f"sets a parameter by {func} from the values of others", str(func))
            if kept is not None and isinstance(target, Tensor):
                kept.change(lambda whole: func(_same_part(whole, target), *args[1:], **kwargs))
                return target
        result = func(*args, **kwargs)
        if kept is not None and func is torch.ops.aten.clone.default:  # copy.deepcopy of a layer
            self._kept[_storage(result)] = Kept(result, kept.rows.clone(), kept.part)
        return result


_IS_META = Tensor.is_meta.__get__  # type: ignore[attr-defined]


class _Unseen(TorchFunctionMode):
    """Says of a parameter that it is not on meta: whoever asks would leave its values as they are, without a word."""

    def __init__(self, deferred: Deferred) -> None:
        super().__init__()
        self._deferred = deferred

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == _IS_META and self._deferred.of(args[0]) is not None:
            return False
        return func(*args, **(kwargs or {}))


def refused(what: str, seen: str) -> SpecError:
    """The error for a module that FSDP cannot take."""
    return SpecError(f'The model {what}: training.strategy "fsdp" cannot take it.', seen=seen[:300], safe=SAFE, hint=HINT)


def _on_meta(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.device.type == "meta"


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _same_part(whole: Tensor, part: Tensor) -> Tensor:
    """The view of `whole` that `part` is of the parameter on meta."""
    return whole.as_strided(part.size(), part.stride(), part.storage_offset())
