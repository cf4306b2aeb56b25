"""S3 as moto's server has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest

from include.backends.s3.client import client_from_session

CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a server of AWS's services in memory, on a free port of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(scope="module")
def s3_client(s3_address: str) -> object:
    client = client_from_session(boto3.Session(**CREDENTIALS), s3_address)
    client.create_bucket(Bucket="slipstream")
    return client
