"""Fail points: named places where a test may kill, pause or break the process that passes them.

`point("ledger.commit.stored")` is one comparison with None unless a fault is armed, and nothing in production
arms one: it takes the environment variable SLIPSTREAM_FAULT, read when this module is imported (a job's process
inherits it), or a call of `arm` (a forked child of a test).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, Self

from include.core.environment import FAULT

Action = Literal["none", "kill", "pause", "delay", "lose"]


class ResponseLost(ConnectionError):
    """What came before the point has happened, and its caller does not learn of it."""


@dataclass(frozen=True)
class Fault:
    """What happens at a point.

    kill: SIGKILL to itself. pause: SIGSTOP to itself; whoever injects it wakes it. delay: sleep `seconds`.
    lose: raise ResponseLost. none: only write the trace.
    """

    point: str = ""
    action: Action = "none"
    skip: int = 0  # how often this process passes the point before
    mark: str = ""  # a file that is made at that moment: the fault happens once in all processes that share it
    seconds: float = 0.0
    trace: str = ""  # a file that gets a line for every point passed: its name, and the process

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


_passed: Callable[[str], None] | None = None


def point(name: str) -> None:
    """A place where a fault may happen."""
    if _passed is not None:
        _passed(name)


def arm(fault: Fault | None) -> None:
    """From now on this process has that fault, or none."""
    global _passed
    _passed = _Armed(fault).passed if fault is not None else None


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self._fault, self._left = fault, fault.skip

    def passed(self, name: str) -> None:
        if self._fault.trace:
            _append(self._fault.trace, name)
        if name != self._fault.point:
            return
        self._left -= 1
        if self._left < 0 and _first(self._fault.mark):
            self._happen()

    def _happen(self) -> None:
        match self._fault.action:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "pause":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "delay":
                time.sleep(self._fault.seconds)
            case "lose":
                raise ResponseLost(f"the response of {self._fault.point} was lost on purpose")


def _append(path: str, name: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, f"{name} {os.getpid()}\n".encode())
    finally:
        os.close(handle)


def _first(mark: str) -> bool:
    """Whether the fault has not happened yet, in any process; the file holds the process it happens to."""
    if not mark:
        return True
    try:
        handle = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    try:
        os.write(handle, str(os.getpid()).encode())
    finally:
        os.close(handle)
    return True


if FAULT.is_set():
    arm(Fault.from_json(FAULT.read()))
