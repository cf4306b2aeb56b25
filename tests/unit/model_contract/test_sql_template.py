"""SQL of a partition without its code: the same text for any partition, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from include.core.partition import DAILY, Cadence, Partition
from include.core.spec import Feature, ModelSpec, View
from include.model_contract.definition import Definition, definitions
from include.model_contract.sql_template import filled, samples, template
from include.model_contract.view_version import versions
from tests.unit.operators.models.shop.spec import SPEC as SHOP

HOURLY, QUARTERS, WEEKLY = Cadence(timedelta(hours=1)), Cadence(timedelta(minutes=15)), Cadence(timedelta(days=7))
BERLIN = Cadence(zone="Europe/Berlin")
WEEK = timedelta(days=7)
DAYS = [date(2013, 3, 31), date(2013, 4, 1), date(2013, 10, 27), date(2012, 12, 31)]  # of 23, 24 and 25 hours, and a year's last
HERE = "tests.unit.model_contract.test_sql_template"


def moments(part: Partition) -> str:
    return (
        f"'{part.start}' '{part.end}' '{part.start - WEEK}' '{part.start.isoformat()}' '{part.start:%Y-%m-%d %H:%M}' '1999-01-01'"
    )


def named(part: Partition) -> str:
    return f"'{part}' {moments(part)}"


def dated(part: Partition) -> str:
    return f"DATE '{part.start.date()}' TIMESTAMP '{part.start.date()} 23:00:00'"


def ended(part: Partition) -> str:
    return f"'{part.end - timedelta(hours=2)}'"


def views(part: Partition) -> dict[str, str]:
    return {"customer": f"SELECT customer, '{part.start}' AS event_timestamp, '{part.end}' AS ends FROM orders"}


@pytest.mark.parametrize("cadence", [HOURLY, QUARTERS, WEEKLY, BERLIN, Cadence(timedelta(hours=6))])
@pytest.mark.parametrize("build", [moments, named, dated, ended])
def test_a_template_gives_the_sql_of_every_partition(cadence: Cadence, build: Callable[[Partition], str]) -> None:
    made = template([build(each) for each in samples(cadence)], cadence)
    assert made
    for day in DAYS:
        for part in cadence.touching(cadence.on(day).start, cadence.end_of_day(day)):
            assert filled(made, cadence, part) == build(part)


@pytest.mark.parametrize(
    ("cadence", "build"),
    [
        (HOURLY, lambda part: f"'{(part.start - timedelta(hours=2)).date()}'"),  # of two days, by the hour
        (HOURLY, lambda part: f"{part.start:%Y%m%d%H}"),
        (HOURLY, lambda part: f"'{part.start}' {'AND late' if part.start.hour == 23 else ''}"),
        (BERLIN, lambda part: f"'{part.start.replace(day=1)}'"),
        (HOURLY, lambda part: f"'{part.start}' '{{{{start}}}}'"),
    ],
)
def test_what_differs_by_more_than_its_times_has_none(cadence: Cadence, build: Callable[[Partition], str]) -> None:
    assert template([build(each) for each in samples(cadence)], cadence) == ""


def test_a_days_places_are_what_they_were() -> None:
    given = [f"DATE '{day.given}' '{day.start - WEEK:%Y-%m-%d}' '{day} 23:00:00'" for day in samples(DAILY)]
    assert template(given, DAILY) == "DATE '{{day}}' '{{day-7}}' '{{day}} 23:00:00'"


def test_a_view_says_how_its_partitions_are_cut_and_its_definition_goes_by_that() -> None:
    data = {**SHOP.data.model_dump(exclude={"schedule"}), "every": timedelta(hours=1)}
    features = SHOP.features.model_copy(update={"build": f"{HERE}:views"})
    spec = ModelSpec(**{**dict(SHOP), "data": data, "features": features})
    (made,) = definitions(spec.features).values()
    assert made.view.version == versions(spec.features)["customer"] != versions(SHOP.features)["customer"]
    kept = Definition.from_json(made.to_json())
    hour = HOURLY.parse("2013-01-02T06:00")
    assert kept.on(hour) == views(hour)["customer"]
    assert "every" not in View(name="v", keys=(), features=(Feature(name="x"),)).model_dump()
