"""Partitions as values: names, paths and borders, and days that are not 24 hours long."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from include.core.cron import cron_of
from include.core.errors import DataError, SpecError
from include.core.partition import DAILY, PARTS_OF_A_DAY, Cadence, Partition, refuse_future
from include.core.spec import Data

HOURLY, QUARTERS, WEEKLY = Cadence(timedelta(hours=1)), Cadence(timedelta(minutes=15)), Cadence(timedelta(days=7))
BERLIN = Cadence(zone="Europe/Berlin")
SAMOA = Cadence(zone="Pacific/Apia")
YEAR = date(2013, 1, 1), date(2013, 12, 31)


def test_a_day_of_utc_is_its_date() -> None:
    day, partition = date(2013, 4, 1), DAILY.parse("2013-04-01")
    assert partition == day
    assert hash(partition) == hash(day)
    assert {day: 1}[partition] == 1
    assert sorted([DAILY.on(date(2013, 4, 2)), day]) == [day, date(2013, 4, 2)]
    assert date(2013, 3, 31) < partition
    assert f"{partition} {partition:>12} {partition.isoformat()}" == "2013-04-01   2013-04-01 2013-04-01"
    assert partition.fields() == {"day": "2013-04-01"}
    assert DAILY.fields() == {}
    assert partition != datetime.fromisoformat("2013-04-01")
    assert partition != "2013-04-01"
    assert BERLIN.on(day) != day
    assert HOURLY.on(day) != day


@pytest.mark.parametrize(
    ("cadence", "name", "path", "start", "end"),
    [
        (DAILY, "2013-04-01", "date=2013-04-01", "2013-04-01", "2013-04-02"),
        (BERLIN, "2013-04-01", "date=2013-04-01", "2013-03-31T22", "2013-04-01T22"),
        (WEEKLY, "2013-W14", "week=2013-W14", "2013-04-01", "2013-04-08"),
        (WEEKLY, "2013-W01", "week=2013-W01", "2012-12-31", "2013-01-07"),
        (HOURLY, "2013-04-01T06:00", "date=2013-04-01/time=0600", "2013-04-01T06", "2013-04-01T07"),
        (QUARTERS, "2013-04-01T06:15", "date=2013-04-01/time=0615", "2013-04-01T06:15", "2013-04-01T06:30"),
    ],
)
def test_names_paths_and_borders(cadence: Cadence, name: str, path: str, start: str, end: str) -> None:
    found = cadence.parse(name)
    assert (found.name, found.path) == (name, path)
    assert (found.start, found.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert cadence.at(found.start) == cadence.at(found.end - timedelta(microseconds=1)) == found
    assert cadence.at(found.start.replace(tzinfo=UTC)) == found
    assert cadence.previous(cadence.next(found)) == found
    assert cadence.next(found).start == found.end
    assert Partition.read({"more": 1, **found.fields()}) == found
    assert Cadence.read({"more": 1, **cadence.fields()}) == cadence


@pytest.mark.parametrize("cadence", [DAILY, BERLIN, WEEKLY, HOURLY, Cadence(timedelta(days=7), "America/New_York")])
def test_partitions_leave_no_gap_and_their_names_sort(cadence: Cadence) -> None:
    year = cadence.within_days(*YEAR)
    assert all(one.end == other.start for one, other in pairwise(year))
    assert sorted(year, key=str) == year == sorted(year)
    assert {len(cadence.touching(each.start, each.end)) for each in year[:50]} == {1}
    assert len(year) == {DAILY: 365, BERLIN: 365, HOURLY: 8760}.get(cadence, 52)
    assert cadence.between(year[0], year[-1]) == year


def test_a_day_of_a_zone_has_23_or_25_hours_and_none_where_it_was_left_out() -> None:
    hours = {str(day): day.length / timedelta(hours=1) for day in BERLIN.within_days(*YEAR)}
    assert {day: length for day, length in hours.items() if length != 24} == {"2013-03-31": 23, "2013-10-27": 25}
    assert [str(day) for day in SAMOA.between(date(2011, 12, 29), date(2011, 12, 31))] == ["2011-12-29", "2011-12-31"]
    with pytest.raises(DataError, match="names no partition"):
        SAMOA.parse("2011-12-30")


def test_looking_back_goes_by_the_calendar_and_by_the_clock() -> None:
    week = timedelta(days=7)
    assert [str(day) for day in BERLIN.back(date(2013, 4, 2), timedelta(days=2))] == ["2013-03-31", "2013-04-01", "2013-04-02"]
    hours = HOURLY.back(HOURLY.parse("2013-04-08T06:00"), week)
    assert (len(hours), str(hours[0]), str(hours[-1])) == (169, "2013-04-01T06:00", "2013-04-08T06:00")
    assert [str(each) for each in WEEKLY.back(WEEKLY.parse("2013-W14"), week)] == ["2013-W13", "2013-W14"]
    first = HOURLY.parse("2013-04-08T04:00")
    assert len(HOURLY.back(HOURLY.parse("2013-04-08T06:00"), week, first)) == 3


def test_a_moment_that_is_not_aligned_names_its_neighbours() -> None:
    with pytest.raises(DataError, match=r"(?s)T06:10.*every hour.*T06:00 and 2013-04-01T07:00"):
        HOURLY.parse("2013-04-01T06:10")


@pytest.mark.parametrize(
    ("cadence", "text"),
    [(DAILY, "2013-02-30"), (DAILY, "2013-04-01T06:00"), (DAILY, "20130401"), (DAILY, ""), (HOURLY, "2013-04-01"),
     (HOURLY, "2013-04-01T24:00"), (WEEKLY, "2013-04-01"), (WEEKLY, "2013-W54"), (WEEKLY, "2013-W00")],
)  # fmt: skip
def test_what_names_no_partition_is_refused_with_the_form(cadence: Cadence, text: str) -> None:
    with pytest.raises(DataError, match=r"names no partition(?s:.*)write YYYY-"):
        cadence.parse(text)


def test_a_partition_of_another_cadence_is_refused() -> None:
    for cadence, other in ((HOURLY, DAILY.parse("2013-04-01")), (DAILY, BERLIN.parse("2013-04-01")), (HOURLY, date(2013, 4, 1))):
        with pytest.raises(DataError, match="is no partition here"):
            cadence.of(other)


def test_a_partition_in_the_future_is_refused_with_both_times() -> None:
    partition, now = HOURLY.parse("2013-04-01T06:00"), datetime.fromisoformat("2013-04-01T05:50")
    with pytest.raises(DataError, match=r"(?s)lies in the future.*2013-04-01T05:50:00Z.*clock"):
        refuse_future(partition, now)
    refuse_future(partition, datetime.fromisoformat("2013-04-01T05:56"))
    refuse_future(partition)


@pytest.mark.parametrize("every", [*PARTS_OF_A_DAY, timedelta(days=1), timedelta(days=7)])
def test_a_schedule_follows_the_cadence(every: timedelta) -> None:
    data = Data(sources=("orders",), first=date(2013, 1, 1), every=every)
    assert data.cadence == Cadence(every)
    assert data.model_validate(data.model_dump(mode="json")) == data
    assert data.schedule == cron_of(Cadence(every))


def test_a_zones_days_end_before_their_run() -> None:
    assert Data(sources=("orders",), first=date(2013, 1, 1), zone="Europe/Berlin").schedule == "0 23 * * *"
    with pytest.raises(SpecError, match=r"schedule: must fire once in each day in Europe/Berlin.*at 2024-03-31"):
        Data(sources=("orders",), first=date(2013, 1, 1), zone="Europe/Berlin", schedule="30 22 * * *")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"every": timedelta(minutes=16)}, "every: must be 15, 20 or 30 minutes"),
        ({"every": timedelta(days=30)}, "every: must be 15"),
        ({"every": timedelta(hours=1), "zone": "Europe/Berlin"}, "zone: is for days and weeks"),
        ({"zone": "Mars/Base"}, "zone: must be a zone that this machine knows"),
        ({"every": timedelta(hours=1), "schedule": "@daily"}, "schedule: must fire once in each hour, such as '0 [*] .*leaves"),
        ({"every": timedelta(days=7), "schedule": "@daily"}, "schedule: must fire once in each week.*more often"),
    ],
)
def test_a_cadence_that_cannot_be_is_refused_in_the_spec(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        Data(sources=("orders",), first=date(2013, 1, 1), **wrong)


def test_the_source_has_partitions_from_its_first_day_to_its_last() -> None:
    data = Data(sources=("orders",), first=date(2013, 1, 1), last=date(2013, 1, 2), every=timedelta(hours=6), lookback_days=1)
    assert [data.holds(data.cadence.parse(text)) for text in ("2012-12-31T18:00", "2013-01-01T00:00", "2013-01-02T18:00",
            "2013-01-03T00:00")] == [False, True, True, False]  # fmt: skip
    assert list(map(str, data.lookback(data.cadence.parse("2013-01-01T12:00")))) == [
        "2013-01-01T00:00", "2013-01-01T06:00", "2013-01-01T12:00",
    ]  # fmt: skip
