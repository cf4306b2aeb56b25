"""A range of days as one task: the same end as so many daily runs, found again, and named where it fails."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import DataError
from include.core.request import Ref
from include.data.published import published
from operators.features_range import TakeInFeaturesOperator
from tests.support.error_message import assert_says
from tests.support.operator_runs import MODEL, Life, Run, day


def range_of(first: int, last: int, **params: Any) -> Run:
    return Run({"from": str(day(first)), "to": str(day(last)), **params})


def take_in(run: Run, workers: int = 0) -> Any:
    return run(TakeInFeaturesOperator(task_id="take_in", model=MODEL, workers=workers))


def standing(life: Life) -> dict[Any, Ref]:
    return published(life.services.control, MODEL, day(1), day(31))


def online(life: Life) -> list[tuple[Any, ...]]:
    """Every row of the online store as it stands, but for when it was created and when it expires."""
    path = life.services.settings.online_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT key, event, payload FROM feature_rows WHERE key NOT LIKE '%epoch%' ORDER BY key")
        return rows.fetchall()


def test_a_range_ends_where_so_many_daily_runs_end(life: Life, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 6):
        life.land(day(number))
    done = take_in(range_of(1, 5))
    assert done == {"from": "2013-01-01", "to": "2013-01-05", "days": 5, "found": 0, "made": 5}
    ours, rows = standing(life), online(life)
    with sqlite3.connect(life.services.settings.online_url.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM feature_rows")
    daily: dict[Any, Ref] = {}
    for number in range(1, 6):
        run = Run({"day": str(day(number)), "fresh": True}, run_id=f"daily__{number}")
        life.publish(day(number), run)
        life.materialize(run)
        daily[day(number)] = Ref.from_json(run.xcom["publish"])
    assert {when: ref.digest for when, ref in ours.items()} == {when: ref.digest for when, ref in daily.items()}
    assert rows == online(life)


def test_a_run_without_days_is_refused_and_one_by_the_clock_is_skipped(life: Life) -> None:
    life.land(day(1))
    with pytest.raises(DataError) as refused:
        take_in(Run())
    assert_says(refused.value, "This run has no range of days", "trigger shop_dag with both")
    months = (date(2013, 1, 1), date(2013, 2, 1))
    with pytest.raises(AirflowSkipException):
        take_in(Run(run_type="scheduled", interval=months))
    with pytest.raises(AirflowSkipException):
        take_in(Run(run_type="backfill", interval=(date(2012, 1, 1), date(2012, 2, 1))))


def test_a_backfill_takes_in_the_days_of_its_interval_as_far_as_the_source_goes(life: Life) -> None:
    life.land(day(1))
    with pytest.raises(DataError) as refused:
        take_in(Run(run_type="backfill", interval=(date(2012, 12, 31), date(2013, 1, 3))))
    assert_says(refused.value, "1 of 2 days of shop", "2013-01-02")
    assert list(standing(life)) == [day(1)]


def test_fresh_computes_once_for_the_run_and_its_retries(life: Life) -> None:
    life.land(day(1))
    first = take_in(range_of(1, 1))
    run = range_of(1, 1, fresh=True)
    again, retried = take_in(run), take_in(run)
    assert [each["made"] for each in (first, again, retried)] == [1, 1, 0]
