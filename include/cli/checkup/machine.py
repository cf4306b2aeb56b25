"""The machine: room on its disks, its clock, and who may read what is private."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.core.private_files import open_to_others
from include.core.settings import Settings
from include.core.time import now

GIB = 2**30
LITTLE, LEAST = 5 * GIB, GIB  # free bytes: a warning below the first, a problem below the second
SKEW = 5.0  # seconds; a server says whole ones, and answers take time
SHOWN = 3


def check_disks(settings: Settings) -> Iterator[Finding]:
    """Of the home, of a storage on this machine, of the temporary files: each file system once."""
    folders = {"the home": settings.home, "temporary files": Path(tempfile.gettempdir())}
    if "://" not in settings.root:
        folders["the storage"] = Path(settings.root)
    seen: set[int] = set()
    for what, folder in folders.items():
        there = _there(folder)
        if (device := there.stat().st_dev) not in seen:
            seen.add(device)
            yield _room(what, there, shutil.disk_usage(there).free)


def _room(what: str, folder: Path, free: int) -> Finding:
    words = f"{free / GIB:.1f} GiB are free at {folder} ({what})."
    if free < LEAST:
        return problem("disk", words, "make room: a task that finds none fails, and is retried.")
    if free < LITTLE:
        return warning("disk", words, "make room soon: a demonstration takes about 2 GiB.")
    return ok("disk", words)


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def check_clock(clocks: Iterable[tuple[str, datetime]]) -> Iterator[Finding]:
    """This machine's against those of the servers that have told theirs."""
    away = {name: (now() - clock).total_seconds() for name, clock in clocks}
    for name, seconds in away.items():
        if abs(seconds) > SKEW:
            side = "ahead of" if seconds > 0 else "behind"
            yield problem(
                "clock", f"this machine is {abs(seconds):.0f} s {side} {name}.",
                "set both by NTP: leases, freshness and what was known when are read from clocks.",
            )  # fmt: skip
    if not away:
        yield ok("clock", f"it is {now():%Y-%m-%d %H:%M} UTC; no server was there to compare with.")
    elif all(abs(seconds) <= SKEW for seconds in away.values()):
        yield ok("clock", f"it is {now():%Y-%m-%d %H:%M} UTC, and agrees with {', '.join(away)}.")


def check_private(settings: Settings) -> Iterator[Finding]:
    """Nobody else may read the home, nor what lies directly in it."""
    if not settings.home.exists() or not any(settings.home.iterdir()):
        yield ok("private files", f"nothing is in {settings.home} yet.")
        return
    opened = open_to_others(settings.home, Path(settings.gateway_tokens))
    if opened:
        more = f" and {len(opened) - SHOWN} more" if len(opened) > SHOWN else ""
        shown = ", ".join(f"{path} ({mode:04o})" for path, mode in opened[:SHOWN])
        yield problem("private files", f"others may read {shown}{more}.", f"chmod -R go= {settings.home}")
    else:
        yield ok("private files", f"nobody else may read {settings.home}.")
