"""The source's own copy, and what of it has reached the platform."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from include.core.storage import LocalStorage, Storage
from include.core.time import days_between
from include.data.raw import RawPartitions
from include.demo import source
from include.demo.flights import MODEL, SOURCES

FIRST = date(2013, 1, 1)


@pytest.fixture
def landed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[date, date]]:
    """The spans that were made from the CSV files; each partition holds its source and day."""
    spans: list[tuple[date, date]] = []

    def land(storage: Storage, first: date, last: date) -> int:
        spans.append((first, last))
        for day in days_between(first, last):
            for name in SOURCES:
                storage.write(RawPartitions(storage, MODEL).path(name, day), f"{name} {day}".encode())
        return 1

    monkeypatch.setattr(source, "land", land)
    return spans


def test_the_files_are_read_once_for_many_days_and_never_beyond_the_year(landed: list[tuple[date, date]], tmp_path: Path) -> None:
    copy = LocalStorage(tmp_path)
    for number in range(20):
        source.provide(copy, FIRST, FIRST + timedelta(days=number))
    assert landed == [(FIRST, FIRST + source.BLOCK)]
    source.provide(copy, date(2013, 12, 20), date(2013, 12, 31))
    assert landed[-1] == (date(2013, 12, 20), date(2013, 12, 31))


def test_only_the_days_that_are_over_reach_the_store_byte_for_byte(landed: list[tuple[date, date]], tmp_path: Path) -> None:
    copy, store = LocalStorage(tmp_path / "copy"), LocalStorage(tmp_path / "store")
    last = FIRST + timedelta(days=2)
    assert source.arrive(copy, store, FIRST, last) == 3 * len(SOURCES)
    raw = RawPartitions(store, MODEL)
    assert raw.days("flights") == days_between(FIRST, last)
    assert store.read(raw.path("weather", last)) == copy.read(raw.path("weather", last)) == f"weather {last}".encode()


def test_what_has_arrived_is_left_alone_and_what_differs_is_replaced(landed: list[tuple[date, date]], tmp_path: Path) -> None:
    copy, store = LocalStorage(tmp_path / "copy"), LocalStorage(tmp_path / "store")
    source.arrive(copy, store, FIRST, FIRST)
    store.write(RawPartitions(store, MODEL).path("planes", FIRST), b"half of it")
    assert source.arrive(copy, store, FIRST, FIRST) == 1
