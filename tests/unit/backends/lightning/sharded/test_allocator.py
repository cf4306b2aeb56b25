"""Blocks of 128 KiB and more are given back: in a process of its own, whose allocator is its own as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
# Each round keeps a small block that the heap would put where the large one has been.
PROGRAM = """
import ctypes, sys
from include.backends.lightning.sharded.allocator import give_back_large
libc = ctypes.CDLL(None)
libc.memalign.restype = libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "ours":
    assert give_back_large()
def private():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData:"))
start = private()
for _ in range(64):
    large = libc.memalign(64, 16 << 20)
    small = libc.malloc(1 << 16)
    libc.free(large)
print((private() - start) >> 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_a_large_block_leaves_no_hole_behind() -> None:
    left = [
        int(subprocess.run([sys.executable, "-c", PROGRAM, which], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for which in ("ours", "glibc's")
    ]
    assert left[0] < 32, left  # MiB, for 64 small blocks of 64 KiB
    assert left[0] < left[1], left
