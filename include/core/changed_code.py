"""Authors' folders whose code was changed since this process imported it: who asks next gets it as it is now.

For a process that looks on and lives long, such as the console: a spec or a rule that was mended is seen without a new process.
What computes keeps the code that it began with.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

from include.core.catalog import folder_of, place_of
from include.core.errors import SpecError
from include.core.places import forget

Stamp = frozenset[tuple[str, int, int]]  # path, when it was written, bytes


class ChangedCode:
    """Of the models and feature sets of one setting, written as in SLIPSTREAM_MODELS."""

    def __init__(self, models: str) -> None:
        self._models, self._lock = models, threading.Lock()
        self._seen: dict[str, tuple[str, Path, Stamp]] = {}  # the package it is imported as, and its folder as it was

    def look(self, name: str) -> bool:
        """Before a folder is imported. Whether it is another than at the last look; it is then imported anew."""
        with self._lock:
            known = self._seen.get(name)
            if known is None:
                self._note(name)
                return False
            package, folder, before = known
            if (stamp := frozenset(_files(folder))) == before:
                return False
            if stamp:
                self._seen[name] = package, folder, stamp
            else:  # it is gone, perhaps to another place
                del self._seen[name]
            invalidate_caches()
            forget(package)
            return True

    def _note(self, name: str) -> None:
        try:
            folder, place = folder_of(name, self._models), place_of(name, self._models)
        except SpecError:  # loading it says so
            return
        if folder is not None and place is not None:
            self._seen[name] = f"{place.package}.{name}", folder, frozenset(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Its Python files, at any depth; what vanishes meanwhile is left out."""
    try:
        entries = [*os.scandir(folder)]
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir():
                if entry.name[0] not in "._":
                    yield from _files(Path(entry.path))
            elif entry.name.endswith(".py"):
                told = entry.stat()
                yield entry.path, told.st_mtime_ns, told.st_size
        except OSError:
            continue
