"""The operators on real flights: three days of January 2013, as the demonstration lands them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.core.errors import DataError, ValidationFailed
from include.data.published import published
from include.data.raw import RawPartitions
from include.demo.flights import MODEL, land
from include.services.services import Services
from operators.sensors import PartitionSensor
from operators.training import PlanTrainingOperator
from operators.validation import ValidateDataOperator
from tests.support.error_message import assert_says
from tests.support.operator_runs import Run, settle_in
from tests.support.wired import BuildTrainingSetOperator, PublishFeaturesOperator

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 3)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    with pytest.MonkeyPatch.context() as patch:
        made = settle_in(tmp_path_factory.mktemp("flights"), patch, models="include.models")
        land(made.storage, FIRST, LAST)
        return made


@pytest.fixture(autouse=True)
def settled(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(services.settings.home, monkeypatch, models="include.models")


def features(when: date) -> Run:
    run = Run({"day": when.isoformat()})
    assert PartitionSensor(task_id="wait_for_partition", model=MODEL).poke(run.context("wait_for_partition"))
    run(ValidateDataOperator(task_id="validate", model=MODEL))
    run(PublishFeaturesOperator(task_id="publish", model=MODEL))
    return run


def test_days_of_flights_pass_and_are_published(services: Services) -> None:
    for offset in range(3):
        features(FIRST + timedelta(days=offset))
    days = published(services.control, MODEL, FIRST, LAST)
    assert sorted(days) == [FIRST, FIRST + timedelta(days=1), LAST]
    entities = services.ledger.resolve(days[LAST]).value["rows"]["entities"]
    assert 800 < entities < 1000  # flights scheduled that day


def test_a_window_that_its_holdout_eats_up_is_refused(services: Services) -> None:
    features(FIRST)
    features(FIRST + timedelta(days=1))
    run = Run({"as_of": "2013-01-03T00:00:00"})
    run(PlanTrainingOperator(task_id="plan", model=MODEL))
    with pytest.raises(DataError) as refused:
        run(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL))
    assert_says(refused.value, "training.holdout_days = 28 leaves 0 rows to train on", "widen the window")


def test_a_file_cut_short_in_transit_is_refused_and_the_day_stays(services: Services) -> None:
    when = FIRST + timedelta(days=1)
    features(when)
    before = published(services.control, MODEL, when, when)
    path = Path(services.storage.uri(RawPartitions(services.storage, MODEL).path("landings", when)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        with pytest.raises(DataError) as refused:
            features(when)
    finally:
        path.write_bytes(whole)
    assert_says(refused.value, f"The landings partition of {when} is not whole Parquet", "the published partition stays")
    assert published(services.control, MODEL, when, when) == before


def test_a_day_in_another_unit_is_stopped_by_the_share_of_its_rows_in_quarantine(services: Services) -> None:
    """Distances in feet: every row breaks the rule, so it is the partition that is wrong."""
    raw = RawPartitions(services.storage, MODEL)
    path = Path(services.storage.uri(raw.path("flights", LAST)))
    whole, table = path.read_bytes(), pq.ParquetFile(path).read()
    place = table.column_names.index("distance")
    feet = [miles * 5280 for miles in table["distance"].to_pylist()]
    pq.write_table(table.set_column(place, "distance", [feet]), path)
    try:
        with pytest.raises(ValidationFailed) as refused:
            features(LAST)
    finally:
        path.write_bytes(whole)
    assert_says(refused.value, "rows are in quarantine (100.0%; the limit is 20%)", "quarantine-flights.parquet", "docs.html")
