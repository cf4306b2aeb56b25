"""Memory that is given back: glibc keeps what is freed, and a layer that was gathered leaves a hole that the next one misses."""

from __future__ import annotations

import ctypes

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
LARGE = 128 << 10  # bytes: where glibc begins


def give_back_large() -> bool:
    """From now on this process's blocks of 128 KiB and more are mapped one by one, and unmapped when they are freed.

    By itself glibc raises that limit to the largest block that was ever freed (at most 32 MiB) and takes such blocks from its
    heap. Building a model of 96 layers of 16 MiB took 31 MiB a layer so, for rows of 2. False where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGE))
