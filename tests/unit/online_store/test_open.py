"""The vendor of an online store is found by the scheme of its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.backends.redis.online_store import RedisOnlineStore
from include.backends.sqlite.online_store import SqliteOnlineStore
from include.core.adapters import ADAPTERS
from include.core.errors import SpecError
from include.online_store.open import open_online
from tests.support.memory_store import MemoryStore


def test_a_file_is_opened_by_its_path(tmp_path: Path) -> None:
    store = open_online(f"sqlite:///{tmp_path}/online.db")
    assert isinstance(store, SqliteOnlineStore)
    assert store.path == tmp_path / "online.db"


@pytest.mark.parametrize("url", ["redis://127.0.0.1:9/0", "rediss://127.0.0.1:9/0", "unix:///nowhere/redis.sock"])
def test_a_redis_is_opened_without_a_connection(url: str) -> None:
    assert isinstance(open_online(url), RedisOnlineStore)


def test_an_unknown_scheme_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SpecError, match=r"(?s)unknown scheme.*redis, rediss, sqlite, unix"):
        open_online("mongodb://here")


def test_another_vendor_is_a_line_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ADAPTERS, "online.memory", "tests.unit.online_store.test_open:opened")
    assert isinstance(open_online("memory://here"), MemoryStore)


def opened(url: str) -> MemoryStore:
    assert url == "memory://here"
    return MemoryStore()
