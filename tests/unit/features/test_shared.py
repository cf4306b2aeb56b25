"""What a model waits for of its feature sets: the day, as far as the set's sources have it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.request import Ref
from include.core.spec import Data
from include.core.spec_sets import with_sets
from include.data.published import publish, resource
from include.data.window import moment
from include.features.shared import unpublished
from tests.support.sets_of_spec import load, model

LAST = date(2014, 1, 1)  # of the sets' sources


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def test_each_set_is_waited_for_until_what_was_over_is_published(control: ControlStore) -> None:
    spec, day, end = with_sets(model("weather.daily", "climate.monthly"), load), date(2013, 2, 1), moment("2013-02-02")
    assert unpublished(spec, end, control, load) == {"weather": day, "climate": day}
    assert unpublished(spec, moment("2013-02-02T17:00:00"), control, load) == {"weather": day, "climate": day}, "its day goes on"
    epoch = control.take(resource("weather", day), "test")
    publish(control, "weather", day, Ref("ledger/x", "0" * 64, "features"), {"daily": 1}, epoch)
    assert unpublished(spec, end, control, load) == {"climate": day}


def test_a_set_of_another_cadence_is_waited_for_by_its_own(control: ControlStore) -> None:
    spec = with_sets(model("climate.monthly"), load)
    hourly = load("climate").model_copy(update={"data": Data(sources=("s",), first=date(2013, 1, 1), every=timedelta(hours=1))})
    found = unpublished(spec, moment("2013-02-01"), control, lambda _: hourly)
    assert {name: (hour.start, hour.end) for name, hour in found.items()} == {
        "climate": (moment("2013-01-31T23:00:00"), moment("2013-02-01"))
    }


def test_a_set_that_has_ended_is_waited_for_up_to_its_last_day_and_one_to_come_not_at_all(control: ControlStore) -> None:
    spec = with_sets(model("climate.monthly"), load)
    assert unpublished(spec, moment("2015-01-01"), control, load) == {"climate": LAST}
    assert unpublished(spec, moment("2013-01-01"), control, load) == {}
