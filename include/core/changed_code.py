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
        self._seen: dict[str, Stamp] = {}

    def look(self, name: str) -> bool:
        """Before a folder is imported. Whether it is another than at the last look; it is then imported anew."""
        try:
            folder, place = folder_of(name, self._models), place_of(name, self._models)
        except SpecError:  # loading it says so
            return False
        if folder is None or place is None:
            return False
        stamp = frozenset(_files(folder))
        with self._lock:
            known = self._seen.get(name)
            self._seen[name] = stamp
            if known is None or known == stamp:
                return False
            invalidate_caches()
            forget(f"{place.package}.{name}")
        return True


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
