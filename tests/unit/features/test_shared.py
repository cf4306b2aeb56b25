"""What a model waits for of its feature sets: the day, as far as the set's sources have it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.request import Ref
from include.core.spec_sets import with_sets
from include.data.published import publish, resource
from include.features.shared import unpublished
from tests.support.sets_of_spec import load, model

LAST = date(2014, 1, 1)  # of the sets' sources


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    return store


def test_each_set_is_waited_for_until_its_day_is_published(control: ControlStore) -> None:
    spec, day = with_sets(model("weather.daily", "climate.monthly"), load), date(2013, 2, 1)
    assert unpublished(spec, day, control, load) == {"weather": day, "climate": day}
    epoch = control.take(resource("weather", day), "test")
    publish(control, "weather", day, Ref("ledger/x", "0" * 64, "features"), {"daily": 1}, epoch)
    assert unpublished(spec, day, control, load) == {"climate": day}


def test_a_set_that_has_ended_is_waited_for_up_to_its_last_day_and_one_to_come_not_at_all(control: ControlStore) -> None:
    spec = with_sets(model("climate.monthly"), load)
    assert unpublished(spec, date(2015, 1, 1), control, load) == {"climate": LAST}
    assert unpublished(spec, date(2012, 1, 1), control, load) == {}
