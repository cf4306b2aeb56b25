"""Temporary files and folders that carry their writer's mark, so that what a killed process left is known and swept.

A mark names the machine, the process and the moment it began: a number that was given to another process later is
not mistaken for its writer. What other machines left (on a shared disk) is swept when it is a day old.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from include.core.errors import StorageFullError

PREFIX = "slipstream-"  # of scratch folders
STALE = 86_400.0  # seconds after which another machine's leftovers count as left
BLOCK = 4096  # bytes: what a file system gives out at least
FULL = ("No space left on device", "database or disk is full")  # how libraries say it that raise no OSError


def mark() -> str:
    """`{machine}-{process}-{its start}-{random}`: the end of a temporary name."""
    pid = str(os.getpid())
    return f"{_machine(os.getpid())}-{pid}-{_start(pid)}-{uuid.uuid4().hex[:12]}"


def is_abandoned(path: Path) -> bool:
    """Whether whoever made this temporary file or folder is gone. False where that is not known."""
    parts = path.name.rpartition(PREFIX if path.name.startswith(PREFIX) else ".tmp-")[2].split("-")
    if len(parts) == 4 and parts[0] == _machine(os.getpid()):
        return _start(parts[1]) != parts[2]
    try:
        return time.time() - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return False


def sweep(folder: Path, prefix: str, *, below: bool = False) -> None:
    """Remove the temporary files and folders of that prefix whose writers are gone; with `below` in subfolders, too."""
    for path in folder.rglob(f"{prefix}*") if below else folder.glob(f"{prefix}*"):
        if is_abandoned(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def sweep_scratch(*folders: Path) -> None:
    """Remove the scratch folders of the dead in these places, and in the system's."""
    for folder in (*folders, Path(tempfile.gettempdir())):
        sweep(folder, PREFIX)


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for temporary files, removed at the end; in `parent`, by default the system's (TMPDIR).

    Raises StorageFullError where the work in it fails for want of space.
    """
    where = parent or Path(tempfile.gettempdir())
    folder = where / f"{PREFIX}{mark()}"
    try:
        sweep(where, PREFIX)
        folder.mkdir(parents=True, mode=0o700)
        yield folder
    except Exception as error:
        if (full := as_full(error, folder)) is not None:
            raise full from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_full(error: BaseException) -> bool:
    """Whether a library's error means that there is no space left."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in str(error) for words in FULL)


def no_room(error: BaseException | None) -> bool:
    """The same of SQLite and its files; of its shared index it says "disk I/O error"."""
    if isinstance(error, OSError):
        return is_full(error)
    if not isinstance(error, sqlite3.OperationalError):
        return False
    name = getattr(error, "sqlite_errorname", "")  # what Python's own module raises has none
    return is_full(error) or name in ("SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMOPEN")


def as_full(error: BaseException, folder: Path) -> StorageFullError | None:
    """The error of ours that says so, if it is one for want of space. `folder`: where the work wrote its files."""
    if isinstance(error, StorageFullError) or not is_full(error):
        return None
    path = getattr(error, "filename", None) or folder
    return storage_full(Path(path), _size(folder) + BLOCK, "at least ")


def storage_full(path: Path, size: int, at_least: str = "") -> StorageFullError:
    """What a person needs to know: the path, the bytes, how many are free."""
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    return StorageFullError(
        f"No space left to write {path} ({at_least}{size} bytes needed).",
        seen=f"{shutil.disk_usage(place).free} bytes free",
        safe="what was stored before is untouched.",
        hint=f"free space under {place if place.is_dir() else place.parent}; the retry continues by itself.",
    )


def _size(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return 0


@lru_cache(maxsize=2)
def _machine(pid: int) -> str:
    """This machine since it was started, and this container of it: elsewhere our process numbers mean nothing."""
    del pid  # a forked child may be moved to another namespace
    facts = [socket.gethostname(), _read("/proc/sys/kernel/random/boot_id")]
    with contextlib.suppress(OSError):
        facts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("/".join(facts).encode()).hexdigest()[:12]


def _start(pid: str) -> str:
    """When a process began, in clock ticks since boot; empty if there is none, or it is a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if fields:
        return fields[19] if fields[0] != "Z" else ""
    try:  # no /proc here
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return ""
    except PermissionError:
        pass
    return "0" if not Path("/proc/self/stat").exists() else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
