"""A notebook lives for hours while its author edits the model: what is computed must be computed by the files as they are.

A request's key covers the code as it stands in the files, and Python runs the code as it was imported. In a task the two are
the same; in a process that lives on they part with the first edit, and a result of the old code would be kept under the key of
the new one. So a model's modules are forgotten as soon as one of them has changed, and imported anew.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from include.core.digest import PROJECT
from include.core.errors import ConflictError
from include.core.spec import ModelSpec

STARTED = time.time_ns()  # when this was imported, with the rest of ours
_since: dict[str, int] = {}  # by package of models: when its modules were forgotten last


def refresh(spec: ModelSpec) -> bool:
    """Forget the modules of the package of models that this spec is in, if one of their files has changed since it was imported;
    returns whether. Raises ConflictError where Slipstream's own code has changed, which only a new process can take in.
    """
    package = _package(spec)
    since = _since.get(package, STARTED)
    loaded = {name: file for name, module in list(sys.modules.items()) if (file := getattr(module, "__file__", None))}
    ours = [name for name in loaded if name.startswith(f"{package}.")]
    stale = [name for name in ours if _changed(loaded[name], since)]
    if stale:
        _since[package] = time.time_ns()
        for name in ours:
            del sys.modules[name]
            vars(sys.modules[package]).pop(name.removeprefix(f"{package}."), None)  # for `from package import model`
        importlib.invalidate_caches()
    _refuse_changed({name: file for name, file in loaded.items() if name.startswith("include.") and name not in ours})
    return bool(stale)


def _package(spec: ModelSpec) -> str:
    """The package of models that it was imported from."""
    end = f".{spec.name}.spec"
    found = (name for name, module in list(sys.modules.items()) if name.endswith(end) and getattr(module, "SPEC", None) is spec)
    return next(found).removesuffix(end)


def _refuse_changed(modules: dict[str, str]) -> None:
    changed = [file for file in modules.values() if Path(file).is_relative_to(PROJECT) and _changed(file, STARTED)]
    if changed:
        raise ConflictError(
            "Slipstream's own code has changed since this process began: it would compute by the old code.",
            seen=sorted(changed),
            safe="nothing was computed; what was computed before stands.",
            hint="restart the kernel of the notebook.",
        )


def _changed(file: str, since: int) -> bool:
    try:
        return Path(file).stat().st_mtime_ns > since
    except FileNotFoundError:
        return True
