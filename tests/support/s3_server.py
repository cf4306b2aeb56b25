"""S3 as moto's server has it."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from include.backends.s3.client import client_from_session

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
