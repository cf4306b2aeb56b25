"""Days that were made from other raw partitions than are there now: which, by what, and from what it costs to know."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from include.core.partition import DAILY, Partition
from include.core.spec import Data
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.features.offline.late import Digests, Late, Made, lacked, late_days, ranges

DATA = Data(sources=("orders", "returns"), first=date(2013, 1, 1), lookback_days=2)


def day(number: int) -> date:
    return date(2013, 1, number)


@dataclass
class Store:
    raw: RawPartitions
    made: dict[Partition, Made] = field(default_factory=dict)

    def land(self, number: int, content: str = "", sources: tuple[str, ...] = DATA.sources) -> None:
        for source in sources:
            self.raw.storage.write(self.raw.path(source, day(number)), f"{source} {number} {content}".encode())

    def make(self, number: int) -> None:
        first = DATA.lookback(day(number))[0]
        read = {source: self.raw.digests(source, first, day(number)) for source in DATA.sources}
        self.made[DAILY.on(day(number))] = Made(read, datetime.now(UTC))

    def aged(self, number: int, by: timedelta) -> None:
        """As if written that long ago."""
        for source in DATA.sources:
            path = Path(self.raw.storage.uri(self.raw.path(source, day(number))))
            os.utime(path, (path.stat().st_mtime - by.total_seconds(),) * 2)

    def late(self, *, trust_times: bool = True) -> dict[int, str]:
        return {late.day.start.day: late.words for late in late_days(self.raw, DATA, self.made, Digests(trust_times=trust_times))}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(RawPartitions(LocalStorage(tmp_path / "store"), "shop"))


def test_a_day_says_which_of_its_look_back_it_lacks(store: Store) -> None:
    for number in (1, 3):
        store.land(number)
    store.land(2, sources=("orders",))
    read = {source: store.raw.digests(source, day(1), day(3)) for source in DATA.sources}
    assert lacked(DATA, DAILY.on(day(3)), read) == {"returns": ["2013-01-02"]}
    assert lacked(DATA, DAILY.on(day(1)), read) == {}, "nothing came before the first day"
    assert DATA.lookback(day(2)) == [day(1), day(2)]


def test_days_that_read_what_is_there_are_not_late(store: Store) -> None:
    for number in range(1, 6):
        store.land(number)
        store.make(number)
    assert store.late() == store.late(trust_times=False) == {}


def test_a_day_that_lands_late_makes_those_late_that_look_back_on_it(store: Store) -> None:
    for number in (1, 3, 4, 5):
        store.land(number)
        store.make(number)
    store.land(2)
    landed = "orders of 2013-01-02 landed; returns of 2013-01-02 landed since it was made"
    assert store.late() == {3: landed, 4: landed}
    store.make(3)
    assert set(store.late()) == {4}


@pytest.mark.parametrize("trust_times", [True, False])
def test_a_day_that_lands_again_makes_itself_and_those_after_it_late(store: Store, trust_times: bool) -> None:
    for number in range(1, 6):
        store.land(number)
        store.make(number)
    store.land(2, "corrected", sources=("returns",))
    words = "returns of 2013-01-02 landed again since it was made"
    assert store.late(trust_times=trust_times) == dict.fromkeys((2, 3, 4), words)
    for number in (2, 3, 4):
        store.make(number)
    assert store.late(trust_times=trust_times) == {}


def test_the_same_bytes_again_make_nothing_late(store: Store) -> None:
    for number in (1, 2):
        store.land(number)
        store.make(number)
    store.land(1)
    assert store.late() == {}


def test_what_is_gone_is_no_reason_and_a_day_without_its_own_cannot_be_made_again(store: Store) -> None:
    for number in (1, 2, 3):
        store.land(number)
        store.make(number)
    store.raw.storage.delete(store.raw.path("orders", day(1)))
    assert store.late() == {}
    store.land(2, "corrected")
    assert set(store.late()) == {2, 3}
    store.raw.storage.delete(store.raw.path("orders", day(2)))
    assert set(store.late()) == {3}


def test_unexpected_folders_are_no_reason(store: Store) -> None:
    store.land(1)
    store.land(3)
    store.make(3)
    for name in ("_temporary/date=2013-01-02", "date=2013-1-2", "date=2013-02-30", "date=2013-01-02/hour=3"):
        store.raw.storage.write(f"raw/shop/orders/{name}/part.parquet", b"x")
    assert store.late() == {}


def test_what_has_not_changed_since_is_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        store.land(number)
        store.aged(number, timedelta(days=2))
        store.make(number)
    store.land(2, "corrected")
    read: list[date] = []
    real = RawPartitions.digest
    monkeypatch.setattr(RawPartitions, "digest", lambda self, source, day: read.append(day) or real(self, source, day))
    digests = Digests(trust_times=True)
    for _ in range(2):
        assert [late.day for late in late_days(store.raw, DATA, store.made, digests)] == [day(2), day(3)]
    assert read == [day(2), day(2)], "of both sources, once"


def test_a_corrected_day_that_bears_an_old_time_is_found_by_reading(store: Store) -> None:
    for number in (1, 2):
        store.land(number)
        store.aged(number, timedelta(days=2))
        store.make(number)
    store.land(1, "corrected")
    store.aged(1, timedelta(days=3))
    assert store.late() == {}, "nothing shows it without reading"
    assert set(store.late(trust_times=False)) == {1, 2}
    store.make(1)
    assert set(store.late()) == {2}, "two days that read one partition differ"


def test_a_day_that_is_late_by_more_has_another_key() -> None:
    one = Late(day(3), (("orders", day(2)),), ())
    assert one.key != Late(day(3), (("orders", day(2)), ("orders", day(1))), ()).key
    assert one.key != Late(day(3), (), (("orders", day(2)),)).key


@pytest.mark.parametrize(
    ("days", "absent", "expected"),
    [
        ([3, 4, 5], [], [(3, 5)]),
        ([3, 6], [], [(3, 6)]),
        ([3, 6], [5], [(3, 3), (6, 6)]),
        ([6, 3, 4], [5], [(3, 4), (6, 6)]),
        ([], [], []),
    ],
)
def test_ranges_hold_no_day_that_a_run_would_wait_for(
    days: list[int], absent: list[int], expected: list[tuple[int, int]]
) -> None:
    found = ranges(map(day, days), lambda each: each.start.day not in absent)
    assert found == [(day(first), day(last)) for first, last in expected]
    assert ranges([date(2013, 1, 1), date(2013, 12, 1)], lambda _: True) == [(date(2013, n, 1),) * 2 for n in (1, 12)]
