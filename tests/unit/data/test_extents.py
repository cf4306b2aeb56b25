"""How far the published partitions of all models reach: what each model's own query says of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.partition import Cadence
from include.core.request import Ref
from include.data.extents import extents_in, names_since_in, newest_names_in
from include.data.published import extent, publish, resource

HOURS = Cadence(timedelta(hours=1))
REF = Ref("/store/a", "a" * 64, "features")


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    for day in (date(2013, 1, 3), date(2013, 1, 1)):
        publish(store, "shop", day, REF, {"orders": 1}, store.take(resource("shop", day), "test"))
    for hour in HOURS.within_days(date(2013, 1, 1), date(2013, 1, 1))[:5]:
        publish(store, "hourly", hour, REF, {"orders": 1}, store.take(resource("hourly", hour), "test"))
    return store


def test_each_models_newest_partition_and_how_many_there_are(control: ControlStore) -> None:
    with control.transaction() as connection:
        found, names = extents_in(connection), newest_names_in(connection)
    assert {model: (each.ends, each.days) for model, each in found.items()} == {
        "shop": ("2013-01-04T00:00:00", 2),
        "hourly": ("2013-01-01T05:00:00", 5),
    }
    assert names == {"shop": ("2013-01-03", 2), "hourly": ("2013-01-01T04:00", 5)}
    for model, (name, days) in names.items():
        newest, count = extent(control, model)
        assert (str(newest), count) == (name, days)


def test_the_names_since_a_moment_are_of_the_models_asked_for(control: ControlStore) -> None:
    with control.transaction() as connection:
        assert names_since_in(connection, ["shop", "hourly", "none"], datetime.fromisoformat("2013-01-01T03:00")) == {
            "shop": {"2013-01-03"},
            "hourly": {"2013-01-01T03:00", "2013-01-01T04:00"},
        }
        assert names_since_in(connection, ["shop"], datetime.fromisoformat("2013-01-05T00:00")) == {}
