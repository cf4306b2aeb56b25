"""Redis and PostgreSQL over TLS, real ones: an address's options, and our bundle of authorities, hold wherever one is opened."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from include.backends.redis.rows import RedisRows
from include.cli.components import online_store
from include.core.control import ControlStore
from include.core.environment import CA_BUNDLE
from include.core.errors import PermanentError, SlipstreamError, UnreachableError
from include.online_store.open import open_online
from include.routing.gateways import Identity, Report, list_gateways, report
from include.routing.reader import RouteReader
from tests.support.certificates import Authority, Issued

REDIS = shutil.which("redis-server")
POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)  # the embedded one has no TLS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("strangers"), "stranger")


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CA_BUNDLE.name, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


# -- Redis: it asks its callers for a certificate --------------------------------------------------------


@pytest.fixture(scope="module")
def caller(authority: Authority) -> Issued:
    return authority.issue("caller")


@pytest.fixture(scope="module")
def redis_port(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if REDIS is None:
        pytest.skip("there is no redis-server on this machine")
    port, own = free_port(), authority.issue("redis")
    command = [
        REDIS, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir",
        str(tmp_path_factory.mktemp("redis")), "--tls-cert-file", str(own.certificate), "--tls-key-file", str(own.key),
        "--tls-ca-cert-file", str(authority.path), "--tls-auth-clients", "yes",
    ]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    if not any("ready to accept connections" in line.lower() for line in server.stdout):
        pytest.skip("this redis-server was built without TLS")
    yield port
    server.terminate()
    server.wait(10)


def reads(url: str) -> list[str]:
    """How each way of connecting fares: tasks', and the gateway's event loop's."""
    found = []
    try:
        assert open_online(url).fetch(["a", "b"]) == [None, None]
        found.append("")
    except SlipstreamError as error:
        found.append(error.what)
    answer = asyncio.run(_fetch(url))
    found.append(answer.what if isinstance(answer, SlipstreamError) else "")
    return found


async def _fetch(url: str) -> Any:
    """A slow machine's handshake takes longer than a request may wait: the next one finds the connection."""
    loop = asyncio.get_running_loop()
    rows = RedisRows(url, loop)
    for _ in range(20):
        done: asyncio.Future[Any] = loop.create_future()
        rows.fetch(["a", "b"], done.set_result)
        answer = await done
        if not (isinstance(answer, UnreachableError) and "no answer within" in answer.what):
            break
    rows.close()
    return answer


def test_redis_by_the_options_of_its_address_and_by_our_bundle(
    redis_port: int, authority: Authority, stranger: Authority, caller: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = f"rediss://127.0.0.1:{redis_port}/0?ssl_certfile={caller.certificate}&ssl_keyfile={caller.key}"
    assert reads(f"{plain}&ssl_ca_certs={authority.path}") == ["", ""]
    assert reads(f"{plain}&ssl_cert_reqs=none") == ["", ""]
    for url in (plain, f"{plain}&ssl_ca_certs={stranger.path}"):
        assert all("CERTIFICATE_VERIFY_FAILED" in words for words in reads(url)), reads(url)
        assert "CERTIFICATE_VERIFY_FAILED" in online_store(url).problem
    monkeypatch.setenv(CA_BUNDLE.name, str(authority.path))
    assert reads(plain) == ["", ""]
    assert online_store(plain).problem == ""
    assert all(reads(f"rediss://127.0.0.1:{redis_port}/0"))  # without the caller's certificate


# -- PostgreSQL ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_postgres(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Lets in over TLS only."""
    if POSTGRES is None or os.geteuid() != 0:
        pytest.skip("there is no PostgreSQL with TLS, or no account to run it as, on this machine")
    folder, port, own = tmp_path_factory.mktemp("postgres"), free_port(), authority.issue("postgres")
    for each in (folder, *folder.parents[:3]):
        each.chmod(each.stat().st_mode | 0o011)
    shutil.chown(folder, "postgres")
    data = folder / "data"
    _as_postgres([POSTGRES / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync"])
    for file in (own.certificate, own.key):
        shutil.chown(shutil.copy(file, data), "postgres")
    (data / own.key.name).chmod(0o600)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "ssl": "on", "fsync": "off",
        "ssl_cert_file": own.certificate.name, "ssl_key_file": own.key.name,
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    server = subprocess.Popen([POSTGRES / "postgres", "-D", data, *options], user="postgres", stderr=subprocess.DEVNULL)
    _wait_for(port)
    yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    server.terminate()
    server.wait(20)


def _as_postgres(command: Sequence[object]) -> None:
    subprocess.run(list(map(str, command)), user="postgres", check=True, capture_output=True)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.mark.whole
def test_postgresql_by_the_options_of_its_address_and_by_our_bundle(
    tls_postgres: str, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = ControlStore(f"{tls_postgres}?sslmode=verify-full&sslrootcert={authority.path}")
    control.create_tables()
    report(control, Identity("1", "here", "here", 1, "1", ""), Report({"toy": 1}))
    assert [each.alive for each in list_gateways(control)] == [True]
    assert RouteReader(control).read() == {}
    ControlStore(f"{tls_postgres}?sslmode=require").create_tables()
    for query, words in (
        (f"sslmode=verify-full&sslrootcert={stranger.path}", "(?s)certificate verify failed.*SLIPSTREAM_CA_BUNDLE"),
        ("sslmode=verify-full", "SLIPSTREAM_CA_BUNDLE"),
        ("sslmode=disable", "no encryption"),
    ):
        with pytest.raises(PermanentError, match=words):
            ControlStore(f"{tls_postgres}?{query}").create_tables()
    monkeypatch.setenv(CA_BUNDLE.name, str(authority.path))
    ControlStore(f"{tls_postgres}?sslmode=verify-full").create_tables()
    monkeypatch.setenv(CA_BUNDLE.name, str(stranger.path))
    with pytest.raises(PermanentError, match="certificate verify failed"):
        ControlStore(f"{tls_postgres}?sslmode=verify-full").create_tables()
