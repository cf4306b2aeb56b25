"""Who a gateway is among others: a number of its home, made once, that no copy of the home on another machine shares.

What a gateway leaves in the storage root and in the control store carries it: which log a chunk is of, whose a heartbeat is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from include.core.private_files import write_private

FILE = "gateway-id"
DIGITS = 16  # hexadecimal
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def gateway_id(home: Path) -> str:
    """16 hexadecimal digits: the same after every restart, others where the home was copied or moved to another machine.

    Processes that ask at once agree.
    """
    return _known(home)[0]


def first_id(home: Path) -> str:
    """The number that this home had first, on whatever machine: what was written before homes had numbers is known by it."""
    return _known(home)[1]


def this_machine() -> str:
    """A digest of what tells this machine, or this container of it, from others. It may change: then it counts as another."""
    facts = [socket.gethostname(), *(_text(path) for path in MACHINE_IDS)]
    return hashlib.sha256("/".join(facts).encode()).hexdigest()[:DIGITS]


def _known(home: Path) -> tuple[str, str]:
    """The number now, and the first one."""
    machine = this_machine()
    number, first, made_on = _stored(home)
    if number and made_on == machine:
        return number, first
    with _alone(home):
        number, first, made_on = _stored(home)
        if not number or made_on != machine:
            number = secrets.token_hex(DIGITS // 2)
            first = first or number
            write_private(home / FILE, f"{number}\n{machine}\n{first}\n")
    return number, first


def _stored(home: Path) -> tuple[str, str, str]:
    """(number, first number, machine); empty where the file is not there or is none of ours."""
    lines = _text(home / FILE).split()
    if len(lines) != 3 or any(len(line) != DIGITS or line.strip("0123456789abcdef") for line in lines):
        return "", "", ""
    number, machine, first = lines
    return number, first, machine


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(home / f".{FILE}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
