"""Callers of a gateway who never stop asking, and the wait for a gateway that was started."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def asking(ask: Callable[[threading.Event], None], failures: list[str]) -> Iterator[None]:
    """`ask` in a thread of its own from here to the end of the block, until the event is set; no request may fail."""
    stop = threading.Event()
    thread = threading.Thread(target=ask, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert failures == []


def wait_for_gateway(url: str, gateway: subprocess.Popen[bytes], log: Path, health: str = "live") -> None:
    """Until it says that it is live, or ready."""
    until = time.monotonic() + 90
    while True:
        assert gateway.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/v2/health/{health}", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
