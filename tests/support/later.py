"""A module that is imported where a test first uses it.

Every process of the tests collects all of them, and a library that one module needs would be imported by each: Feast alone
takes three seconds of processor time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later:
    """Stands for the module of this name: `feast = Later("feast")`, then `feast.Entity(...)` inside a test."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest asks whatever lies in a module whether it is a mock, or a test
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
