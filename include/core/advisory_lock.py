"""Advisory locks: neighbours that may all do the work wait for each other; a late one is still fenced off.

`ControlStore.take` alone fences off whoever took before, even where both are right: two runs that register at the
same moment. So they queue first. The queue is a courtesy and the fence the protection: a holder that is stuck for
`timeout` seconds is no longer waited for, and what it does when it wakes up is refused.

A lease row would need a clock and outlive its holder; these locks belong to a connection or a file handle and die
with the process.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from include.core.control import ControlStore

TIMEOUT = 5.0  # seconds; most holders need one transaction
POLL = 0.02  # seconds between two looks at a taken file lock
FILES = 64  # lock files beside a SQLite store; names that share one only wait for each other


@contextmanager
def exclusive(control: ControlStore, resource: str, holder: str, timeout: float = TIMEOUT) -> Iterator[int]:
    """Wait for those who hold the resource, at most `timeout` seconds, then take it: yields the epoch."""
    with advisory_lock(control, resource, timeout):
        yield control.take(resource, holder)


@contextmanager
def advisory_lock(control: ControlStore, name: str, timeout: float = TIMEOUT, file: str = "") -> Iterator[bool]:
    """Be alone under a name; yields False where that took longer than `timeout` seconds and somebody else is there.

    `file`: of a SQLite store, the lock file's own name, for who holds the lock while taking others: names may share a file else.
    """
    number = int.from_bytes(hashlib.sha256(f"slipstream/{name}".encode()).digest()[:8], signed=True)
    if control.engine.dialect.name == "sqlite":
        hold = _file_lock(Path(f"{control.engine.url.database}.{file or f'turn-{number % FILES}'}.lock"), timeout)
    else:
        hold = _postgres_lock(control, number, timeout)
    with hold as acquired:
        yield acquired


@contextmanager
def _file_lock(path: Path, timeout: float) -> Iterator[bool]:
    deadline = time.monotonic() + timeout
    with path.open("w") as file:
        while not (acquired := _locked(file.fileno())) and time.monotonic() < deadline:
            time.sleep(POLL)
        yield acquired


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _postgres_lock(control: ControlStore, number: int, timeout: float) -> Iterator[bool]:
    # Autocommit: the lock belongs to the session, and no transaction stays open while files are uploaded.
    with control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"SET lock_timeout = {max(1, int(timeout * 1000))}"))
        try:
            connection.execute(sa.text("SELECT pg_advisory_lock(:number)"), {"number": number})
            acquired = True
        except OperationalError:  # the time is up
            acquired = False
        yield acquired
