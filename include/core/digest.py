"""Digests: of values, files and code. Every claim of "the same" in Slipstream is one of these.

All digests are lower-case SHA-256 hex.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

from include.core import places
from include.core.errors import SpecError

REFERENCE = re.compile(r"include(\.\w+)+:\w+")
_ANY_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*")
PROJECT = Path(__file__).resolve().parents[2]
PARSE_ATTEMPTS = 20
SHOWN = 16  # hex digits of a file by which two copies of a module are told apart


@dataclass(frozen=True)
class Code:
    """The code behind import strings: one digest, and the modules that it covers with a digest of each file as it lies."""

    digest: str
    modules: Mapping[str, str]


# By project and references: the modules that a digest covers, with their files as they were, and the code. What a file imports
# follows from the file; where a module lies may change with the places of models.
_KNOWN: dict[tuple[Path, tuple[str, ...]], tuple[dict[str, tuple[Path, int]], Code]] = {}
_PARSING = RLock()  # re-entrant: a finalizer that runs while a tree is built must not wait for its own thread


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def digest_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_digest(*references: str) -> str:
    """Digest of the code behind import strings (`"pkg.module:name"`), comments and docstrings aside.

    Covers each named module and every module of ours that it imports or names by such a string, directly or not, except
    `include.core` and `include.backends`: those are plumbing, whose behaviour contract tests hold still. A change there
    must not retrain every model. Code of models, wherever their place is, is followed further: through relative imports, and
    into every package that is not installed in the environment (a library's version is no part of a digest). Names are digested,
    never paths: a place may be moved. Files are read, not imported. Raises SpecError for a module that is not there.
    """
    return code_of(*references).digest


def code_of(*references: str) -> Code:
    """The same with the modules by name, for whoever has to say which of them is another one elsewhere."""
    known = _KNOWN.get((PROJECT, references))
    if known is not None and all(_is_unchanged(*each) for each in known[0].items()):
        return known[1]
    modules = sorted({name for ref in references for name in _closure(_module(ref))})
    versions = {name: _version(_file(name)) for name in modules}
    code = Code(_digest_of(versions), {name: digest_file(path)[:SHOWN] for name, (path, _) in versions.items()})
    _KNOWN[PROJECT, references] = versions, code
    return code


def changed_modules(code: Code) -> list[str]:
    """Those of its modules that are others here; none where the code here has the same digest, whatever its comments say."""
    found = {name: path for name in code.modules if (path := _path_of(name)) is not None}
    changed = [name for name, digest in code.modules.items() if name not in found or digest_file(found[name])[:SHOWN] != digest]
    if not changed or len(found) < len(code.modules):
        return changed
    return [] if _digest_of({name: _version(path) for name, path in sorted(found.items())}) == code.digest else changed


def _digest_of(versions: Mapping[str, tuple[Path, int]]) -> str:
    """Of modules in the order of their names."""
    return digest_json([[name, _source_digest(*version)] for name, version in versions.items()])


def _path_of(module: str) -> Path | None:
    try:
        return _file(module)
    except FileNotFoundError:
        return None


def _is_unchanged(module: str, version: tuple[Path, int]) -> bool:
    """Asked of every module for every request: by text, and as seldom of the disk as it can be."""
    path, mtime_ns = version
    base = str(_base(module))
    try:
        if str(path) != f"{base}.py" and (os.path.isfile(f"{base}.py") or str(path) != os.path.join(base, "__init__.py")):
            return False
        return os.stat(path).st_mtime_ns == mtime_ns
    except OSError:
        return False


def _module(reference: str) -> str:
    module = reference.partition(":")[0]
    try:
        _file(module)
    except FileNotFoundError as error:
        raise SpecError(
            f"{reference!r} cannot be imported: {error}.",
            safe="nothing was computed.",
            hint="use 'package.module:name' of something importable from the project root, or from the model's own place.",
        ) from error
    return module


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += [n for n in _imports(name) if n not in found]
    return found


def _file(module: str) -> Path:
    base = _base(module)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no source file for module {module!r} under {base.parent}")


def _base(module: str) -> Path:
    """Where a module's source would be, without its suffix."""
    top, *parts = module.split(".")
    if parts[1:] and module.startswith(f"{places.PACKAGE}.") and (place := places.folder_of(parts[1])) is not None:
        return place.joinpath(*parts[1:])
    root = PROJECT if top == "include" or (PROJECT / top).is_dir() else places.root_of(top)
    return (root or PROJECT).joinpath(top, *parts)


def _imports(module: str) -> Iterator[str]:
    """The modules whose code counts for this one's."""
    path, own = _file(module), _is_own_code(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return (name for name in _named(*_version(path), package, own) if _counts(name, own))


@lru_cache(maxsize=512)
def _named(path: Path, mtime_ns: int, package: str, own: bool) -> tuple[str, ...]:
    """What a file may mean other modules by, each once: what it imports, and strings that name code."""
    reference = REFERENCE if own else _ANY_REFERENCE
    found: dict[str, None] = {}
    for node in ast.walk(_tree(path, mtime_ns)):
        if isinstance(node, ast.Import):
            found |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (origin := _origin(node, package)):
            found |= dict.fromkeys([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and reference.fullmatch(node.value):
            found[node.value.partition(":")[0]] = None  # code that is loaded by name
    return tuple(found)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """What `from ... import` imports from, in full; empty where it reaches above the top."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])]) if above else ""


def _is_own_code(module: str) -> bool:
    """Whether a module is the platform's, not a model's: it knows no code outside `include`."""
    return module.startswith("include.") and not module.startswith(f"{places.PACKAGE}.")


def _counts(name: str, own: bool) -> bool:
    if name.startswith(("include.core", "include.backends")) or (own and not name.startswith("include.")):
        return False
    if not name.startswith("include.") and not _is_authors(name.partition(".")[0], tuple(sys.path)):
        return False
    try:
        _file(name)
    except FileNotFoundError:  # `from module import name`: the name is no module
        return False
    return True


@lru_cache(maxsize=512)
def _is_authors(top: str, path: tuple[str, ...]) -> bool:
    """Whether a package is somebody's own code beside ours, not a library of the environment, nor Python's."""
    del path  # what the answer depends on
    if top == "include" or top in sys.stdlib_module_names:
        return False
    root = places.root_of(top)
    return root is not None and not places.is_installed(root)


def _version(path: Path) -> tuple[Path, int]:
    """What the caches below go by: an edited file is another version."""
    return path, path.stat().st_mtime_ns


@lru_cache(maxsize=512)
def _source_digest(path: Path, mtime_ns: int) -> str:
    return digest_bytes(ast.dump(_Bare().visit(_parsed(ast.unparse(_tree(path, mtime_ns))))).encode())


@lru_cache(maxsize=512)
def _tree(path: Path, mtime_ns: int) -> ast.Module:
    del mtime_ns
    return _parsed(path.read_text())


def _parsed(source: str) -> ast.Module:
    """`ast.parse` that threads may call at once.

    Python 3.11 counts the depth of the tree it builds once per interpreter, so that two threads that parse at
    once can both be told "AST constructor recursion depth mismatch" (python/cpython#106905). Ours wait for each other;
    a library that parses in a thread of its own can still spoil one attempt, which is then made again.
    """
    for _ in range(PARSE_ATTEMPTS - 1):
        with suppress(SystemError), _PARSING:
            return ast.parse(source)
    with _PARSING:
        return ast.parse(source)


class _Bare(ast.NodeTransformer):
    """Drops docstrings, those of attributes too, so that documenting code does not recompute what it computed."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
        return node


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string alone, which does nothing: a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
