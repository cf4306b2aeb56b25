"""Naming code by string, so that a spec and a DAG file import none of it."""

from __future__ import annotations

import importlib
from typing import Any

from include.core.author import describe
from include.core.errors import SlipstreamError, SpecError
from include.core.moved import present


def load(reference: str) -> Any:
    """The object behind `"package.module:name"`, wherever it has moved since. Raises SpecError naming the reference."""
    module, _, name = present(reference).partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (SlipstreamError, OSError, MemoryError):
        raise
    except Exception as error:  # a module is an author's program: it may raise anything while it is imported
        raise SpecError(
            f"{reference!r} cannot be imported: {describe(error)}.",
            hint="use 'package.module:name' of something importable from the project root.",
        ) from error
