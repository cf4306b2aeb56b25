"""Feast, imported without what costs a process most: 0.7 s of the processor instead of 5.4, and no torch in its memory.

Feast has typeguard check its calls: each of its classes is parsed, rewritten and compiled again when it is imported, which takes
some 3 s. Whoever calls it here is checked by mypy. And it imports torch, for tensors that nobody asks for here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_TORCH = "feast.torch_wrapper"


def _torch() -> ModuleType:
    """As in the module that this one stands for, when somebody asks for a tensor. Raises ImportError where there is no torch."""
    return import_module("torch")


def _unchecked(target: Any = None, **options: Any) -> Any:
    """In the place of typeguard's decorator, with and without options."""
    del options
    return target if target is not None else _unchecked


@contextmanager
def _without_typeguard() -> Iterator[None]:
    typeguard = import_module("typeguard")
    checked: Callable[..., Any] = typeguard.typechecked
    typeguard.typechecked = _unchecked  # type: ignore[attr-defined]
    try:
        yield
    finally:
        typeguard.typechecked = checked  # type: ignore[attr-defined]


def _import_feast() -> None:
    """Does nothing where it was imported before: then it is as it is."""
    if "feast" in sys.modules:
        return
    wrapper = ModuleType(_TORCH, _torch.__doc__)
    wrapper.get_torch = _torch  # type: ignore[attr-defined]
    sys.modules.setdefault(_TORCH, wrapper)
    with _without_typeguard():
        feast = import_module("feast")
    feast.torch_wrapper = wrapper  # type: ignore[attr-defined]  # as an import of it would have set


_import_feast()
