"""The online stores that the benchmarks run against: a SQLite file, and a real Redis server of our own on the loopback."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import embedded_redis


@contextmanager
def online_stores(folder: Path) -> Iterator[dict[str, str]]:
    """Name to URL; the server is stopped at the end."""
    with redis_server(folder) as url:
        yield {"SQLite": f"sqlite:///{folder}/online.db", "Redis": url}


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [embedded_redis(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if "ready to accept connections" in line.lower():
                break
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)
