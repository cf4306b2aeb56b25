"""Memory that the processes of one gateway share: aligned 8-byte words, gone with the last process that maps them.

A word is written whole, so a reader sees the value before or the value after. Children get the page by its file
descriptor.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile


class SharedMemory:
    """`size` bytes. `lock` excludes other processes; it is the kernel's, so a killed holder lets go of it."""

    def __init__(self, size: int, fd: int | None = None) -> None:
        self.fd = _anonymous_file() if fd is None else fd
        if fd is None:
            os.ftruncate(self.fd, size)
        self.size = size
        self.memory = mmap.mmap(self.fd, size)

    def words(self, start: int, count: int) -> memoryview:
        """Unsigned 8-byte words, from a byte offset on."""
        return memoryview(self.memory)[start : start + 8 * count].cast("Q")

    def doubles(self, start: int, count: int) -> memoryview[float]:
        return memoryview(self.memory)[start : start + 8 * count].cast("d")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One thread a process may ask for it: record locks belong to processes."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):  # Linux
        return os.memfd_create("slipstream-gateway", os.MFD_CLOEXEC)
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def read_text(memory: mmap.mmap, start: int) -> bytes:
    """A text as `write_text` left it: its length is the last thing written."""
    (length,) = struct.unpack_from("<Q", memory, start)
    return memory[start + 8 : start + 8 + length]


def append_text(memory: mmap.mmap, start: int, text: bytes, room: int) -> bool:
    """Add to a text of at most `room` bytes; False if it does not fit."""
    (length,) = struct.unpack_from("<Q", memory, start)
    if length + len(text) > room:
        return False
    at = start + 8 + length
    memory[at : at + len(text)] = text
    struct.pack_into("<Q", memory, start, length + len(text))
    return True
