"""A Redis' log of commands and its dump hold no removed key once they are written anew; what keeps one is said."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from include.backends.redis.online_store import RedisOnlineStore
from include.backends.redis.persistence import DUMP, LOG, files_anew
from tests.support.mlflow_server import free_port
from tests.support.programs import embedded_redis

VALUE = "Quaxel-of-the-removed-key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """One that keeps a log of its commands and dumps."""
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    keeping = ("--appendonly", "yes", "--save", "3600", "1")
    command = [embedded_redis(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *keeping]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    for _ in range(400):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    yield port, folder
    process.terminate()
    process.wait(10)


def holds(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes())


@pytest.mark.lives
def test_nothing_of_a_removed_key_is_in_its_files(server: tuple[int, Path]) -> None:
    port, folder = server
    client = redis.Redis(port=port)
    client.set(f"m:{VALUE}", "row")
    client.set("m:other", "row")
    client.save()
    assert len(holds(folder)) == 2, "the log and the dump"
    client.unlink(f"m:{VALUE}")
    assert holds(folder)
    store = RedisOnlineStore(f"redis://127.0.0.1:{port}/0")
    assert store.purge() == []
    assert holds(folder) == []
    assert client.get("m:other") == b"row"
    assert store.purge() == [], "again it is the same"


class Fake:
    """A service that lets nobody write its files, or is slow, and has replicas."""

    def __init__(self, *, refuses: bool = False, busy: bool = False) -> None:
        self._refuses, self._busy = refuses, busy

    def info(self, section: str = "") -> dict[str, Any]:
        del section
        return {"aof_enabled": 1, "aof_rewrite_in_progress": int(self._busy), "rdb_saves": 1, "connected_slaves": 2,
                "aof_last_bgrewrite_status": "ok", "rdb_last_bgsave_status": "err"}  # fmt: skip

    def bgrewriteaof(self) -> None:
        if self._refuses:
            raise redis.ResponseError("unknown command")

    bgsave = bgrewriteaof


def test_what_may_not_be_written_takes_longer_or_fails_is_said_with_its_command() -> None:
    refused = files_anew(Fake(refuses=True), "redis://r")
    assert [words.split(" of ")[0] for words in refused[:2]] == ["the log", "the dump (RDB)"]
    assert all("which this login may not (unknown command)" in words for words in refused[:2])
    assert (LOG in refused[0], DUMP in refused[1]) == (True, True)
    assert "2 replicas" in refused[2]
    slow = files_anew(Fake(busy=True), "redis://r", patience=0.0)
    assert "which goes on: INFO persistence shows it" in slow[0]
    failed = files_anew(Fake(), "redis://r")
    assert [words for words in failed if "failed there" in words] == [failed[0]]
    assert DUMP in failed[0]
