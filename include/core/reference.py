"""Naming code by string, so that a spec and a DAG file import none of it."""

from __future__ import annotations

import importlib
from typing import Any

from include.core.errors import SpecError


def load(reference: str) -> Any:
    """The object behind `"package.module:name"`. Raises SpecError naming the reference."""
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(
            f"{reference!r} cannot be imported: {error}.",
            hint="use 'package.module:name' of something importable from the project root.",
        ) from error
