"""A digest is read once, and again once its file is another one."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from include.core.digest import digest_bytes
from include.core.errors import NotReadyError
from include.core.storage import LocalStorage
from include.ranges.known_raw import KnownRaw

DAY = date(2013, 1, 1)


def test_a_digest_follows_its_file_even_where_its_times_are_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(tmp_path)
    raw = KnownRaw(storage, "shop")
    path = raw.path("orders", DAY)
    storage.write(path, b"one")
    before = os.stat(tmp_path / path)
    assert raw.digest("orders", DAY) == digest_bytes(b"one")
    (tmp_path / path).write_bytes(b"two")
    os.utime(tmp_path / path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert raw.digest("orders", DAY) == digest_bytes(b"two")
    monkeypatch.setattr(storage, "read", None)  # whoever reads it again fails
    assert raw.digests("orders", DAY, date(2013, 1, 3)) == {"2013-01-01": digest_bytes(b"two")}


def test_a_partition_that_has_not_arrived_or_is_gone_has_none(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    raw = KnownRaw(storage, "shop")
    storage.write(raw.path("orders", DAY), b"one")
    assert raw.digest("orders", DAY)
    storage.delete(raw.path("orders", DAY))
    assert not raw.exists("orders", DAY)
    with pytest.raises(NotReadyError):
        raw.digest("orders", DAY)
