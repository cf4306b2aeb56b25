"""One registration of a model at a time, whatever process is killed while it holds the turn.

A registry's search-then-create races, so whoever creates must be alone. A lease row would need a clock
and outlive its holder; these locks belong to a connection or a file handle and die with the process.
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
from include.core.errors import NotReadyError

POLL = 0.1  # seconds between two looks at a taken file lock


@contextmanager
def registration_turn(control: ControlStore, model: str, patience: float = 120.0) -> Iterator[None]:
    """Hold the model's turn. Raises NotReadyError if another process holds it for `patience` seconds."""
    hold = _file_lock if control.engine.dialect.name == "sqlite" else _advisory_lock
    with hold(control, model, patience):
        yield


@contextmanager
def _file_lock(control: ControlStore, model: str, patience: float) -> Iterator[None]:
    path = Path(f"{control.engine.url.database}.{model}.lock")
    deadline = time.monotonic() + patience
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _taken(model, patience) from None
                time.sleep(POLL)
        yield


@contextmanager
def _advisory_lock(control: ControlStore, model: str, patience: float) -> Iterator[None]:
    number = int.from_bytes(hashlib.sha256(f"slipstream/register/{model}".encode()).digest()[:8], signed=True)
    # Autocommit: the lock belongs to the session, and no transaction stays open while files are uploaded.
    with control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"SET lock_timeout = {int(patience * 1000)}"))
        try:
            connection.execute(sa.text("SELECT pg_advisory_lock(:number)"), {"number": number})
        except OperationalError as error:
            raise _taken(model, patience) from error
        yield


def _taken(model: str, patience: float) -> NotReadyError:
    return NotReadyError(
        f"Another process has been registering {model} for more than {patience:.0f} s.",
        safe="nothing was registered.",
        hint="none: the retry takes the turn when that process is done or gone.",
    )
