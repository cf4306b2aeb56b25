"""Raw partitions: what is there, and a clear word about what cannot be used."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError, IntegrityError, NotReadyError
from include.core.partition import Cadence
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions

DAY = date(2013, 1, 1)


@pytest.fixture
def raw(tmp_path: Path) -> RawPartitions:
    return RawPartitions(LocalStorage(tmp_path / "store"), "shop")


def land(raw: RawPartitions, day: date, rows: int = 3) -> Path:
    path = Path(raw.storage.uri(raw.path("orders", day)))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": list(range(rows))}), path)
    return path


def test_knows_which_days_are_there_and_their_digests(raw: RawPartitions) -> None:
    for n in (3, 1):
        land(raw, date(2013, 1, n), rows=n)
    assert raw.days("orders") == [date(2013, 1, 1), date(2013, 1, 3)]
    assert raw.days("nothing") == []
    digests = raw.digests("orders", DAY, date(2013, 1, 31))
    assert list(digests) == ["2013-01-01", "2013-01-03"]
    assert digests["2013-01-01"] == raw.digest("orders", DAY) != digests["2013-01-03"]


def test_a_partition_that_has_not_arrived_is_worth_a_retry(raw: RawPartitions) -> None:
    with pytest.raises(NotReadyError, match="orders partition of 2013-01-01 has not arrived"):
        raw.digest("orders", DAY)


def test_fetch_gives_the_checked_file(raw: RawPartitions, tmp_path: Path) -> None:
    land(raw, DAY)
    local = raw.fetch("orders", DAY, raw.digest("orders", DAY), tmp_path / "scratch")
    assert pq.read_table(local).num_rows == 3


def test_a_partition_that_is_gone_empty_or_truncated_is_named_with_the_next_step(raw: RawPartitions, tmp_path: Path) -> None:
    path = land(raw, DAY)
    whole = path.read_bytes()
    for content, said in ((whole[:-9], "footer cannot be read"), (b"", "is empty"), (b"PAR1", "footer")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"(?s){said}") as caught:
            raw.fetch("orders", DAY, raw.digest("orders", DAY), tmp_path)
        assert "2013-01-01" in str(caught.value)
        assert str(path) in caught.value.hint
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        raw.fetch("orders", DAY, "0" * 64, tmp_path)


def test_a_partition_without_rows_is_refused(raw: RawPartitions, tmp_path: Path) -> None:
    land(raw, DAY, rows=0)
    with pytest.raises(DataError, match="has no rows"):
        raw.fetch("orders", DAY, raw.digest("orders", DAY), tmp_path)


def test_bytes_that_changed_since_the_request_are_refused(raw: RawPartitions, tmp_path: Path) -> None:
    land(raw, DAY)
    digest = raw.digest("orders", DAY)
    land(raw, DAY, rows=4)
    with pytest.raises(IntegrityError, match="changed after this run"):
        raw.fetch("orders", DAY, digest, tmp_path)


STRAY = [
    "date=__HIVE_DEFAULT_PARTITION__", "date=2013-01-01.bak", "date=2013-01-01 (copy)", "date=2013-1-1", "date=2013-02-30",
    "date=", "date=20130106", "date=٢٠١٣-01-01", "2013-01-05", "hour=03/date=2013-01-09", "date=2013-01-07/hour=03",
    "_temporary/date=2013-01-08", ".staging/date=2013-01-08", "date=2013-01-08\n",
]  # fmt: skip


@pytest.mark.parametrize("name", STRAY)
def test_a_unexpected_folder_is_nobodys_day_and_is_reported(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    storage = LocalStorage(tmp_path)
    raw = RawPartitions(storage, "toy")
    for one in (date(2013, 1, 3), date(2013, 1, 1)):
        storage.write(raw.path("orders", one), b"x")
    assert raw.days("orders") == [date(2013, 1, 1), date(2013, 1, 3)]
    assert caplog.text == ""
    storage.write(f"raw/toy/orders/{name}/part.parquet", b"x")
    assert raw.days("orders") == [date(2013, 1, 1), date(2013, 1, 3)]
    assert "no day's partition" in caplog.text


def test_a_folder_where_a_file_is_expected_is_refused_by_name(raw: RawPartitions) -> None:
    raw.storage.write(f"{raw.path('orders', DAY)}/part-0000.parquet", b"x")
    with pytest.raises(DataError, match="orders partition of 2013-01-01 is a folder"):
        raw.digest("orders", DAY)


def test_partitions_of_other_lengths_lie_where_hive_reads_their_columns(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "store")
    for cadence, name, folder in (
        (Cadence(timedelta(minutes=15)), "2013-01-01T06:15", "date=2013-01-01/time=0615"),
        (Cadence(timedelta(days=7)), "2013-W01", "week=2013-W01"),
        (Cadence(zone="Europe/Berlin"), "2013-01-01", "date=2013-01-01"),
    ):
        raw = RawPartitions(storage, f"shop{len(name)}", cadence=cadence)
        part = cadence.parse(name)
        assert raw.path("orders", part) == f"raw/{raw.model}/orders/{folder}/part.parquet"
        storage.write(raw.path("orders", part), b"x")
        storage.write(f"raw/{raw.model}/orders/date=2013-01-01/time=0610/part.parquet", b"x")  # of no quarter of an hour
        assert raw.days("orders") == [part]
        assert list(raw.digests("orders", cadence.previous(part), cadence.next(part))) == [name]
        with pytest.raises(DataError, match="is no partition here"):
            raw.digests("orders", Cadence(timedelta(hours=12)).at(part.start), part)
