"""What several tests of secrets use."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from include.local.credentials import Credentials
from include.local.platform import Platform
from tests.security.onnx_graphs import CANARY

IN_OPEN = 0x20  # of inotify: sees whoever opens the file, the runtime's own code too


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "home")


@pytest.fixture
def credentials(platform: Platform) -> Credentials:
    return Credentials.load(platform.home)


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file beside the model, which nobody may open."""
    path = tmp_path / CANARY
    np.arange(4, dtype=np.float32).tofile(path)
    monkeypatch.chdir(tmp_path)
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN) >= 0
    yield path
    with pytest.raises(BlockingIOError):
        os.read(handle, 1024)
    os.close(handle)
