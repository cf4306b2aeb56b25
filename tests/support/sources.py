"""The project's sources, parsed once in a process: tests/scheduling.py has the modules that ask here run in one."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@cache
def files(*folders: str) -> tuple[Path, ...]:
    """The modules of these folders of the project, in order."""
    found = (path for folder in folders for path in (PROJECT / folder).rglob("*.py"))
    return tuple(sorted(path for path in found if "__pycache__" not in path.parts))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a module's tree, the module itself first. None may be changed."""
    looking = gc.isenabled()
    gc.disable()  # no node is garbage: to look for it among a million takes longer than to parse
    try:
        return tuple(ast.walk(ast.parse(path.read_text())))
    finally:
        if looking:
            gc.enable()
