"""Each vendor's online store, and S3 as moto's server has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.online_store.open import open_online
from include.online_store.store import OnlineStore
from tests.support.memory_store import MemoryStore
from tests.support.online_stores import dynamodb_address as dynamodb_address
from tests.support.online_stores import dynamodb_url as dynamodb_url
from tests.support.online_stores import redis_url as redis_url
from tests.support.s3_server import s3_address as s3_address
from tests.support.s3_server import s3_client as s3_client

# moto takes four milliseconds of processor time for a row: `make test` has tests/contract/test_dynamodb.py in its place.
DYNAMODB = pytest.param("dynamodb", marks=pytest.mark.whole)


def _address(request: pytest.FixtureRequest, vendor: str, tmp_path: Path) -> str:
    if vendor == "sqlite":
        return f"sqlite:///{tmp_path}/online/online.db"
    if vendor == "dynamodb":
        table: str = request.getfixturevalue("dynamodb_url")
        return table
    import redis

    address: str = request.getfixturevalue("redis_url")
    redis.Redis.from_url(address).flushall()
    return address


@pytest.fixture(params=["sqlite", "redis", DYNAMODB])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """For what a vendor's address is needed for: other processes, and what happens behind its back."""
    return _address(request, request.param, tmp_path)


@pytest.fixture(params=["sqlite", "redis", "memory", DYNAMODB])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OnlineStore:
    """The vendors' stores, and one that is written against the port alone."""
    return MemoryStore() if request.param == "memory" else open_online(_address(request, request.param, tmp_path))
