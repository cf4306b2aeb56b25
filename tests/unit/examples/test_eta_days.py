"""The raw days of eta, from the real files: those of the demonstration, and departures by the moment in which they happened."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from examples.models.eta.raw_days import SOURCES, land
from include.core.storage import LocalStorage
from include.data.raw import RawPartitions

FIRST, LAST = date(2013, 1, 9), date(2013, 1, 10)


@pytest.mark.lives
def test_days_land_under_the_models_own_name_with_departures_before_their_landings(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert land(storage, FIRST, LAST, "my_eta") == 2 * len(SOURCES)
    assert land(storage, FIRST, LAST, "my_eta") == 0
    raw = RawPartitions(storage, "my_eta")
    left = pq.read_table(storage.uri(raw.path("departures", FIRST)))
    assert {moment.date() for moment in left["departed_at"].to_pylist()} == {FIRST}
    landed = pq.read_table(storage.uri(raw.path("landings", FIRST)))
    arrivals = dict(zip(landed["flight_id"].to_pylist(), landed["landed_at"].to_pylist(), strict=True))
    departures = dict(zip(left["flight_id"].to_pylist(), left["departed_at"].to_pylist(), strict=True))
    both = departures.keys() & arrivals.keys()
    assert len(both) > 500
    assert all(departures[flight] < arrivals[flight] for flight in both)
