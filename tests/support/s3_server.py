"""S3 as moto's server has it, its conditions as atomic as S3's own; `python -m tests.support.s3_server HOST PORT` serves it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from typing import Any

import boto3
import pytest

from include.backends.s3.client import client_from_session

CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


def make_conditions_atomic() -> None:
    """moto (5.2.5) looks whether a key is there, and writes afterwards: of writers at once two may both find it absent."""
    from moto.s3.responses import S3Response

    put = S3Response.put_object
    if hasattr(put, "__wrapped__"):
        return
    one_at_a_time = Lock()

    @wraps(put)
    def put_object(response: S3Response) -> Any:
        with one_at_a_time:
            return put(response)

    S3Response.put_object = put_object


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a server of AWS's services in memory, on a free port of this machine."""
    from moto.server import ThreadedMotoServer

    make_conditions_atomic()
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


def main(host: str, port: str) -> None:
    """The same server as a process of its own, until it is ended."""
    from moto.server import main as serve

    make_conditions_atomic()
    serve(["-H", host, "-p", port])


if __name__ == "__main__":
    main(*sys.argv[1:])
