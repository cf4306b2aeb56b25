"""A storage in which time goes by: files written before are so much older by their own times."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from include.core import fault
from tests.support.effort import THOROUGH


def let_pass(root: Path, days: float) -> None:
    """Everything below a folder was written so many days earlier."""
    back = timedelta(days=days).total_seconds()
    for path in root.rglob("*"):
        if path.is_file():
            found = path.stat()
            os.utime(path, (found.st_atime - back, found.st_mtime - back))


class Killed(BaseException):
    """Stands for a kill: nothing that catches errors catches it."""


@contextmanager
def killed_at(point: str, skip: int = 0) -> Iterator[None]:
    """The body dies at a fault point, as often passed before, or goes through where it does not come by."""
    left = [skip]

    def passed(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] < 0:
                raise Killed(point)

    before = fault._passed
    fault._passed = passed
    try:
        yield
    except Killed:
        pass
    finally:
        fault._passed = before


@contextmanager
def at_each_point(act: Callable[[], object], but: Collection[str] = (), only: int | None = None) -> Iterator[list[str]]:
    """Do something between any two fault points that the body passes, or at the one of that number; yields their names.

    `but`: names that are passed over. The points within a write of the storage are, too, unless all cases are asked for.
    """
    passed: list[str] = []
    busy = [False]

    def point(name: str) -> None:
        if busy[0] or name in but or (not THOROUGH and name.startswith("storage.")):
            return
        passed.append(name)
        if only is None or only == len(passed) - 1:
            busy[0] = True
            try:
                act()
            finally:
                busy[0] = False

    before, fault._passed = fault._passed, point
    try:
        yield passed
    finally:
        fault._passed = before
