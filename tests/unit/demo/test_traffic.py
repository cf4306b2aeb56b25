"""The replay's callers: in event order, one for each scheduled flight, knowing nothing of how it ended."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from include.core.catalog import load_spec
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions
from include.demo.flights import land
from include.demo.traffic import requests_of

DAY = date(2013, 1, 5)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawPartitions:
    storage = LocalStorage(tmp_path_factory.mktemp("source"))
    land(storage, DAY, DAY + timedelta(days=1))
    return RawPartitions(storage, "flight_delay")


def test_they_ask_in_event_order_on_their_own_day(raw: RawPartitions, tmp_path: Path) -> None:
    moments = [one["event_time"] for one in requests_of(load_spec("flight_delay"), raw, DAY, tmp_path)]
    assert len(moments) > 600
    assert moments == sorted(moments)
    assert {moment.date() for moment in moments} == {DAY}


def test_a_request_is_what_the_gateway_takes_and_no_more(raw: RawPartitions, tmp_path: Path) -> None:
    spec = load_spec("flight_delay")
    one = next(requests_of(spec, raw, DAY, tmp_path))
    assert set(one) == {"id", "event_time", "entity", "features"}
    assert set(one["entity"]) == set(spec.features.keys)
    assert set(one["features"]) == {feature.name for feature in spec.features.request}


def test_nobody_asks_twice(raw: RawPartitions, tmp_path: Path) -> None:
    ids = [one["id"] for one in requests_of(load_spec("flight_delay"), raw, DAY, tmp_path)]
    assert len(ids) == len(set(ids))
