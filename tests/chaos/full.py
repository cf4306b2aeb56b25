"""A full disk: taking its space, and what must still be readable on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def shrinking(blocks: int) -> Iterator[int]:
    """Fewer and fewer free blocks, down to none: until the disk really is too full."""
    while blocks:
        yield blocks
        blocks //= 2
    yield 0


def fill(folder: Path, leave: int) -> Path:
    """Take all space of a file system but `leave` bytes."""
    ballast, status = folder / "ballast", os.statvfs(folder)
    size = status.f_bavail * status.f_frsize - leave
    with ballast.open("wb") as file:
        block = b"\0" * (1 << 20)
        while size > 0:
            size -= file.write(block[: min(size, len(block))])
    return ballast


def readable() -> None:
    """In a child: every committed result has its bytes, every row can be read. Raises if not."""
    from tests.chaos.steps.common import everything

    everything()
