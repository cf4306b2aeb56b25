"""What the pods talk to: PostgreSQL, Redis and S3 of this machine, on loopback, empty, and gone afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg2

from include.backends.s3.client import client_from_session
from include.local.postgres import binary, let_through, user
from tests.support.programs import embedded_redis
from tests.support.s3_server import CREDENTIALS, moto_server

HOST = "127.0.0.1"
BUCKET = "slipstream"
PASSWORD = "of-this-trial"  # of Redis, which is there for minutes on loopback
STARTING = 60.0  # seconds


@dataclass(frozen=True)
class Servers:
    control_url: str
    mlflow_url: str
    mlflow_users_url: str
    online_url: str
    s3: str


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        postgres = stack.enter_context(_postgres(folder / "postgres"))
        redis = stack.enter_context(_redis(folder))
        s3 = stack.enter_context(moto_server())
        client_from_session(boto3.Session(**CREDENTIALS), s3).create_bucket(Bucket=BUCKET)
        yield Servers(
            *(f"postgresql+psycopg2://postgres@{HOST}:{postgres}/{name}" for name in ("slipstream", "mlflow", "mlflow_auth")),
            f"redis://:{PASSWORD}@{HOST}:{redis}/0",
            s3,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _postgres(folder: Path) -> Iterator[int]:
    """It refuses to run as root, for whom it runs as nobody."""
    owner = user()
    folder.mkdir(mode=0o700)
    account: dict[str, Any] = {}
    if owner is not None:
        let_through(folder)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    initdb = [
        str(binary("initdb")),
        f"--pgdata={folder}",
        "--username=postgres",
        "--auth=trust",
        "--no-locale",
        "--encoding=utf8",
    ]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
    port = free_port()
    options = [f"listen_addresses={HOST}", f"port={port}", "unix_socket_directories=", "fsync=off"]
    command = [str(binary("postgres")), "-D", str(folder), *(part for each in options for part in ("-c", each))]
    server = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account)
    try:
        for name in ("slipstream", "mlflow", "mlflow_auth"):
            _create(port, name)
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is connected
        server.wait()


def _create(port: int, name: str) -> None:
    until = time.monotonic() + STARTING
    while True:
        try:
            connection = psycopg2.connect(host=HOST, port=port, user="postgres", dbname="postgres")
            break
        except psycopg2.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()


@contextmanager
def _redis(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [
        embedded_redis(),
        "--port",
        str(port),
        "--bind",
        HOST,
        "--save",
        "",
        "--requirepass",
        PASSWORD,
        "--dir",
        str(folder),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        server.wait()
