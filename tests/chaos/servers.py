"""The real servers a matrix runs against, each started once: PostgreSQL, Redis, S3, MLflow, a Ray head."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from include.core.digest import PROJECT
from include.local.postgres import binary, let_through, user
from tests.support.mlflow_server import PASSWORD, mlflow_server
from tests.support.programs import embedded_redis
from tests.support.ray_head import running_ray_head

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Servers:
    """Where each listens; a server that was not asked for is missing from `at`."""

    at: dict[str, tuple[str, int]] = field(default_factory=dict)
    postgres_password: str = ""
    ray_token: str = ""
    aws: str = ""  # address of AWS's fake, where jobs run on SageMaker: S3 is there as well
    mlflow_password: str = PASSWORD


@contextmanager
def running(names: Sequence[str], folder: Path) -> Iterator[Servers]:
    """Start those of postgres, redis, s3, mlflow, ray, sagemaker that are named; stop them at the end."""
    at: dict[str, tuple[str, int]] = {}
    password, token, aws = secrets.token_hex(8), "", ""
    with ExitStack() as stack:
        if "postgres" in names:
            at["control"] = stack.enter_context(_postgres(password))
        if "redis" in names:
            at["online"] = stack.enter_context(_redis(folder / "redis"))
        if "sagemaker" in names:
            at["jobs"] = at["storage"] = stack.enter_context(_moto(folder, "tests.support.aws.server"))
            aws = "http://{}:{}".format(*at["jobs"])
        elif "s3" in names:
            at["storage"] = stack.enter_context(_moto(folder, "tests.support.s3_server"))
        if "ray" in names:
            url, token = stack.enter_context(running_ray_head(folder / "ray.log", cpus=4))
            at["jobs"] = _address(url)
        if "mlflow" in names:
            at["registry"] = _address(mlflow_server())
        yield Servers(at, password, token, aws)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or HOST, parts.port or 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _postgres(password: str) -> Iterator[tuple[str, int]]:
    """As the platform runs it, but for its data folder: that must be reachable for the user it runs as."""
    folder, owner, port = Path(tempfile.mkdtemp(prefix="chaos-postgres-")), user(), free_port()
    who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    (folder / "password").write_text(password)
    if owner:
        let_through(binary("postgres"))
        for path in (folder, folder / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    options = ("--username=chaos", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", "--encoding=utf8", "--no-locale")
    subprocess.run([binary("initdb"), f"--pgdata={data}", *options], check=True, capture_output=True, cwd="/", **who)
    settings = ("-c", f"listen_addresses={HOST}", "-c", f"port={port}", "-c", "unix_socket_directories=")
    process = subprocess.Popen(
        [binary("postgres"), "-D", data, *settings], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who
    )
    try:
        _wait(port, process)
        yield HOST, port
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _redis(folder: Path) -> Iterator[tuple[str, int]]:
    folder.mkdir()
    port = free_port()
    command = [embedded_redis(), "--port", str(port), "--bind", HOST, "--save", "", "--dir", str(folder), "--databases", "64"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield HOST, port
    finally:
        _stop(process)


@contextmanager
def _moto(folder: Path, module: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    command = [sys.executable, "-m", module, HOST, str(port)]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield HOST, port
    finally:
        _stop(process)


def _wait(port: int, process: subprocess.Popen[bytes], patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"a server did not start: {process.args!r}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def until(check: Callable[[], bool], seconds: float, pause: float = 0.01) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def hold_lock(path: Path, seconds: float) -> None:
    """Hold the write lock of a SQLite file for so many seconds; `held` beside it says that it is held."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    (path.parent / "held").touch()
    time.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()
