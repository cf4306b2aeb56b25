"""Waiting for a day: arrived, not yet, never."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import DataError, UnreachableError
from operators.lifecycle import features_dag
from operators.sensors import PartitionSensor, missing_paths
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import FreshnessSensor
from tests.unit.operators.models.shop.orders import orders_of


def poke(run: Run) -> bool:
    return PartitionSensor(task_id="wait_for_partition", model=MODEL).poke(run.context("wait_for_partition"))


def test_it_waits_until_every_source_of_the_day_has_landed(life: Life) -> None:
    run = Run({"day": "2013-01-01"})
    assert not poke(run)
    life.put("orders", day(1), orders_of(day(1)))
    assert not poke(run)
    spec = life.services.spec(MODEL)
    assert missing_paths(life.services, spec, day(1)) == [life.services.storage.uri(life.raw.path("returns", day(1)))]
    life.land(day(1))
    assert poke(run)


def test_the_day_is_the_start_of_the_data_interval(life: Life) -> None:
    life.land(day(2))
    assert poke(Run(interval=(day(2), day(3))))
    assert not poke(Run(interval=(day(1), day(2))))


@pytest.mark.parametrize("outside", [date(2012, 12, 31), date(2013, 2, 1)])
def test_a_day_outside_the_source_is_skipped_with_the_reason(life: Life, outside: date) -> None:
    with pytest.raises(AirflowSkipException, match=rf"{outside} is outside the source's days \(2013-01-01 to 2013-01-31\)"):
        poke(Run({"day": outside.isoformat()}))


@pytest.mark.parametrize("odd", [OSError("stale NFS handle"), UnreachableError("S3 is throttling.")])
def test_a_look_that_fails_for_now_is_one_look_lost(life: Life, monkeypatch: pytest.MonkeyPatch, odd: Exception) -> None:
    def fails(*args: object) -> None:
        raise odd

    life.land(day(1))
    with monkeypatch.context() as patch:
        patch.setattr("operators.sensors.missing_paths", fails)
        patch.setattr("include.features.online.freshness.freshness", fails)
        assert not poke(Run({"day": "2013-01-01"}))
        assert (
            not (run := Run({"day": "2013-01-01"})).task(FreshnessSensor(task_id="fresh", model=MODEL)).poke(run.context("fresh"))
        )
    assert poke(Run({"day": "2013-01-01"}))


def test_it_frees_its_slot_between_two_looks() -> None:
    assert PartitionSensor(task_id="wait", model=MODEL).mode == "reschedule"


def test_a_run_without_a_day_says_how_to_give_it_one(life: Life) -> None:
    with pytest.raises(DataError, match=r"(?s)This run has no day.*day=YYYY-MM-DD"):
        poke(Run())


def test_a_day_that_is_no_date_is_refused_with_its_text(life: Life) -> None:
    with pytest.raises(DataError, match=r"(?s)'day' is no date.*'tomorrow'"):
        poke(Run({"day": "tomorrow"}))


def test_features_are_waited_for_until_they_are_fresh_as_of_the_interval(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = life.services.spec(MODEL)
    view = spec.features.views[0].model_copy(update={"freshness": timedelta(hours=30)})
    promised = spec.model_copy(update={"features": spec.features.model_copy(update={"views": (view,)})})
    monkeypatch.setattr("include.services.services.Services.owner", lambda self, model: promised)

    def fresh(until: int) -> bool:
        run = Run(interval=(day(until - 1), day(until)))
        return run.task(FreshnessSensor(task_id="fresh", model=MODEL)).poke(run.context("fresh"))

    assert not fresh(3)
    row = {"customer": "c1", "event_timestamp": datetime.combine(day(2), time(1)), "mean_price": 1.0, "bought": 2.0}
    life.services.online().write(MODEL, view, pa.Table.from_pylist([row]), datetime.combine(day(2), time(2)))
    assert fresh(3)
    assert not fresh(4)
    assert any(task.task_id == "fresh" for task in features_dag(promised).tasks)
    assert not any(task.task_id == "fresh" for task in features_dag(spec).tasks)
