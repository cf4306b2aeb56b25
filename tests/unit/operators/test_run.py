"""Which partition a run is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from include.core.errors import DataError
from include.core.partition import DAILY, Cadence
from operators.run import as_of, run_partition, trainer

HOURLY, BERLIN, WEEKLY = Cadence(timedelta(hours=1)), Cadence(zone="Europe/Berlin"), Cadence(timedelta(days=7))


def context(start: str = "", end: str = "", **params: Any) -> Any:
    made: dict[str, Any] = {"params": params}
    for name, text in (("data_interval_start", start), ("data_interval_end", end)):
        if text:
            made[name] = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return made


@pytest.mark.parametrize(
    ("cadence", "start", "partition"),
    [
        (DAILY, "2013-01-02T02:00", "2013-01-02"),
        (HOURLY, "2013-01-02T06:00", "2013-01-02T06:00"),
        (HOURLY, "2013-01-02T06:05", "2013-01-02T06:00"),  # a schedule five minutes later
        (BERLIN, "2013-03-30T23:00", "2013-03-31"),  # the day of 23 hours, by its winter's schedule
        (BERLIN, "2013-03-31T23:00", "2013-04-01"),
        (WEEKLY, "2013-01-07T00:00", "2013-W02"),
    ],
)
def test_it_is_that_which_holds_the_beginning_of_the_runs_interval(cadence: Cadence, start: str, partition: str) -> None:
    assert str(run_partition(context(start), cadence)) == partition


def test_a_name_goes_before_the_interval_and_a_partition_key_is_a_name() -> None:
    assert str(run_partition(context("2013-01-02T06:00", day="2013-01-01T05:00"), HOURLY)) == "2013-01-01T05:00"
    assert str(run_partition(context("2013-01-02T06:00"), HOURLY, "2013-01-01T07:00")) == "2013-01-01T07:00"
    assert str(run_partition({**context(), "partition_key": "2013-01-01T08:00"}, HOURLY)) == "2013-01-01T08:00"
    assert str(run_partition(context(day="2013-01-02T06:00:00+00:00"), DAILY)) == "2013-01-02"


@pytest.mark.parametrize(
    ("cadence", "day", "said"),
    [
        (HOURLY, "2013-01-02T06:10", "neighbours are 2013-01-02T06:00"),
        (HOURLY, "2013-01-02", "write YYYY-MM-DDTHH:MM"),
        (HOURLY, "2113-01-02T06:00", "lies in the future"),
        (DAILY, "2113-01-02", "lies in the future"),
        (WEEKLY, "2013-01-02", "write YYYY-Www"),
        (HOURLY, None, "This run has no partition"),
        (DAILY, None, "This run has no day"),
    ],
)
def test_what_names_none_is_refused_with_the_form(cadence: Cadence, day: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run_partition(context(day=day), cadence)


def test_without_a_moment_it_is_as_of_the_end_of_the_newest_partition() -> None:
    assert as_of(context(), HOURLY.parse("2013-01-02T06:00")) == datetime.fromisoformat("2013-01-02T07:00")
    assert as_of(context(), BERLIN.parse("2013-03-31")) == datetime.fromisoformat("2013-03-31T22:00")


def asked(run_type: str = "scheduled", by: str | None = None, event: Any = None, **conf: Any) -> Any:
    run = SimpleNamespace(run_type=run_type, triggering_user_name=by, conf=conf)
    return {"dag_run": run, "params": {}, **({"triggering_asset_events": {"asset": [event]}} if event is not None else {})}


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (asked("manual", "tom"), "tom"),
        (asked("backfill", "tom"), "tom"),
        (asked(), ""),
        (asked("asset_triggered", event=SimpleNamespace(extra={}, source_dag_id="shop_monitoring")), ""),
        (asked("asset_triggered", event=SimpleNamespace(extra={}, source_dag_id=None)), None),  # by its API
        (asked("operator_triggered"), None),
        (asked("manual", "platform", asked_by="sue"), "platform, sue"),
        (asked("manual", "sue", asked_by="sue"), "sue"),
        (asked("manual", "tom", asked_by=" "), "tom"),  # whoever triggered it stays who they are
    ],
)
def test_who_asked_for_a_training_is_who_airflow_names_and_whom_it_hides(given: Any, known: str | None) -> None:
    assert trainer(given) == known
