"""The demonstration's source, from the real files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.demo.flights import SOURCES, land

FIRST, LAST = date(2013, 1, 9), date(2013, 1, 12)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawPartitions:
    storage = LocalStorage(tmp_path_factory.mktemp("flights"))
    assert land(storage, FIRST, LAST) == 4 * len(SOURCES)
    return RawPartitions(storage, "flight_delay")


def rows(raw: RawPartitions, source: str) -> str:
    return f"read_parquet('{raw.storage.root}/raw/flight_delay/{source}/*/*.parquet', hive_partitioning = false)"


def one(query: str) -> tuple[object, ...]:
    return duckdb.sql(query).fetchall()[0]


def test_landing_again_writes_nothing_and_a_lost_partition_comes_back_byte_for_byte(raw: RawPartitions) -> None:
    before = {source: raw.digests(source, FIRST, LAST) for source in SOURCES}
    raw.storage.delete(raw.path("landings", FIRST))
    assert land(raw.storage, FIRST, LAST) == 1
    assert {source: raw.digests(source, FIRST, LAST) for source in SOURCES} == before


def test_each_source_is_partitioned_by_the_day_it_became_known(raw: RawPartitions) -> None:
    for source, column in (("flights", "sched_dep"), ("landings", "landed_at"), ("weather", "observed_at")):
        times = pq.read_table(raw.storage.uri(raw.path(source, FIRST)))[column].to_pylist()
        assert {time.date() for time in times} == {FIRST}
        assert raw.days(source) == [date(2013, 1, day) for day in (9, 10, 11, 12)]


def test_the_schedule_says_nothing_of_the_outcome_and_names_each_flight_once(raw: RawPartitions) -> None:
    columns = set(pq.read_schema(raw.storage.uri(raw.path("flights", FIRST))).names)
    assert columns == {
        "flight_id", "carrier", "flight", "origin", "dest", "tailnum", "sched_dep", "sched_dep_local", "sched_arr", "distance",
    }  # fmt: skip
    assert one(f"SELECT count(*) > 3000, count(*) = count(DISTINCT flight_id) FROM {rows(raw, 'flights')}") == (True, True)


def test_clocks_agree_a_flight_lands_its_delay_after_its_scheduled_arrival(raw: RawPartitions) -> None:
    joined = f"{rows(raw, 'landings')} JOIN (FROM {rows(raw, 'flights')} SELECT flight_id, sched_arr) USING (flight_id)"
    assert one(
        f"SELECT count(*) > 3000, count(*) FILTER (landed_at != sched_arr + to_minutes(arr_delay::INT)) FROM {joined}"
    ) == (
        True,
        0,
    )


def test_a_known_flight_across_time_zones(raw: RawPartitions, tmp_path: Path) -> None:
    land(LocalStorage(tmp_path), date(2013, 1, 1), date(2013, 1, 1))
    path = f"{tmp_path}/raw/flight_delay/landings/date=2013-01-01/part.parquet"
    # UA1545 left Newark at 5:17 (10:17 UTC) and was in Houston at 8:30 (14:30 UTC), 11 minutes late.
    query = f"SELECT landed_at::VARCHAR, arr_delay FROM '{path}' WHERE flight_id = 'UA1545-EWR-20130101T1015'"
    assert one(query) == ("2013-01-01 14:30:00", 11.0)


def test_missing_values_of_the_source_stay_missing(raw: RawPartitions) -> None:
    assert one(f"SELECT count(*) > count(wind_gust) FROM {rows(raw, 'weather')}") == (True,)
    assert one(f"SELECT count(*) FILTER (arr_delay IS NULL OR landed_at IS NULL) FROM {rows(raw, 'landings')}") == (0,)
