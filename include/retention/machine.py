"""What lies on this machine and nobody uses: scratch of processes that are gone, and logs of jobs that are over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.core.scratch import PREFIX, is_abandoned
from include.core.settings import Settings
from include.retention.finding import Finding, Kind


def find_scratch(settings: Settings) -> Iterator[Finding]:
    """Folders whose writers are gone: what the next task here would sweep as well."""
    for place in dict.fromkeys((settings.home / "scratch", Path(tempfile.gettempdir()))):
        for folder in sorted(place.glob(f"{PREFIX}*")):
            if is_abandoned(folder):
                yield _folder(Kind.SCRATCH, folder)


def find_jobs(settings: Settings, older_than: timedelta, now: datetime, unfinished: Collection[str]) -> Iterator[Finding]:
    """Folders of the jobs that were processes here and have ended. `unfinished`: the names of attempts without a result, whose
    tasks may still ask how their jobs ended."""
    for folder in sorted((settings.home / "jobs").glob("*")):
        ended = folder / "exit"
        with suppress(FileNotFoundError):
            if folder.name not in unfinished and now - _written(ended) >= older_than:
                yield _folder(Kind.JOB, folder)


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _folder(kind: Kind, folder: Path) -> Finding:
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else [folder]

    def act() -> bool:
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink(missing_ok=True)
        return not folder.exists()

    return Finding(kind, str(folder), "removed", _bytes(files), len(files), True, act)


def _bytes(files: list[Path]) -> int:
    size = 0
    for path in files:
        with suppress(OSError):
            size += path.stat().st_size
    return size
