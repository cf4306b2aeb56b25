"""examples/feature_sets on real flights: the weather is computed once, and the model that reads it learns from the same rows."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from include.core.request import Result
from include.core.spec import ModelSpec, PartitionOwner
from include.core.task import perform
from include.core.time import start_of_day
from include.data.raw import RawPartitions
from include.demo.flights import MODEL, land
from include.features.request import training_set_request
from include.ranges.span import Span
from include.ranges.take_in import Range, take_in
from include.services.services import Services
from tests.support.operator_runs import settle_in

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 9)
SET, WITH_SET, ALL_OF_THE_SET = "airport_weather", "arrival_delay", "departure_delay"

pytestmark = [pytest.mark.whole, pytest.mark.timeout(600)]


def take_in_all(services: Services, name: str) -> PartitionOwner:
    spec, span = services.owner(name), Span(FIRST, LAST, services.owner(name).data.cadence)
    work = Range(
        spec=spec, span=span, ledger=services.ledger, control=services.control, settings=services.settings,
        store=services.online, run=name, holder="test", workers=0,
    )  # fmt: skip
    take_in(work)
    return spec


def training_set(services: Services, name: str) -> tuple[ModelSpec, Result]:
    spec = services.spec(name)
    request = training_set_request(spec, start_of_day(date(2013, 1, 10)), services.control, window_days=9)
    request.params.update(holdout_days=1, minimum_rows=10)  # type: ignore[attr-defined]  # a dict
    services.ledger.record(request)
    made = perform(request, services.ledger.open_attempt(request.key, 0), services.ledger, services.settings)
    return spec, made


def test_the_sets_weather_makes_flight_delays_own_training_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = settle_in(tmp_path, monkeypatch, models="include.models:examples.feature_sets")
    land(services.storage, FIRST, LAST)
    own = RawPartitions(services.storage, MODEL)
    for name in (SET, WITH_SET, ALL_OF_THE_SET):
        owner = services.owner(name)
        theirs = RawPartitions(services.storage, name)
        for source in owner.data.sources:
            for day in owner.data.cadence.between(FIRST, LAST):
                services.storage.write(theirs.path(source, day), services.storage.read(own.path(source, day)))
    for name in (MODEL, SET, WITH_SET, ALL_OF_THE_SET):
        take_in_all(services, name)
    sets = {name: training_set(services, name)[1] for name in (MODEL, WITH_SET, ALL_OF_THE_SET)}
    rows = {
        (name, part): pq.read_table(services.storage.uri(made.files[f"{part}.parquet"].path).removeprefix("file://"))
        for name, made in sets.items()
        for part in ("train", "holdout")
    }
    for part in ("train", "holdout"):
        ours, theirs_ = rows[MODEL, part], rows[WITH_SET, part].select(rows[MODEL, part].column_names)
        assert ours.num_rows > 100
        pd.testing.assert_frame_equal(ours.to_pandas(), theirs_.to_pandas(), check_exact=True)
    assert sets[WITH_SET].value["definitions"]["weather"]["view"]["set"] == SET
    assert not list(services.storage.list(f"raw/{WITH_SET}/weather"))
    known = rows[ALL_OF_THE_SET, "train"]["temp"].drop_null()
    assert len(known) > 100
