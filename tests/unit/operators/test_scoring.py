"""The nightly batch: rerun-safe, and only with a version in production."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Result
from include.versions.lifecycle import set_production
from operators.scoring import ScoreBatchOperator
from tests.support.nursery import DAYS
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.unit.operators.models.shop.orders import PER_DAY


@pytest.fixture
def served(registered: Life) -> Life:
    with registered.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    return registered


def score(life: Life, number: int = DAYS, run_id: str = "manual__1") -> Result:
    run = Run({"day": day(number).isoformat()}, run_id=run_id)
    return life.result(run(ScoreBatchOperator(task_id="score", model=MODEL)))


def test_every_entity_of_the_day_gets_a_score_and_a_rerun_the_same_result(served: Life) -> None:
    result = score(served)
    assert result.value == {"day": day(DAYS).isoformat(), "rows": PER_DAY, "version": 1}
    scores = served.table(result, "scores.parquet")
    assert all(0 <= value <= 1 for value in scores["score"].to_pylist())
    assert len(set(scores["request_id"].to_pylist())) == PER_DAY
    assert score(served, run_id="scheduled__2") == result


def test_a_corrected_day_makes_a_second_result_and_leaves_the_first(served: Life) -> None:
    first = score(served)
    served.land(day(DAYS), orders={"price": [70.0] * PER_DAY})
    served.publish(day(DAYS))
    second = score(served)
    assert second.key != first.key
    assert served.services.ledger.verify(first) == served.services.ledger.verify(second) == []


def test_as_a_job_it_is_submitted_once_however_often_it_runs(served: Life) -> None:
    made = [
        Run({"day": day(DAYS).isoformat()})(
            ScoreBatchOperator(task_id="score", model=MODEL, where="job", deferrable=deferrable, poll_seconds=0.05)
        )
        for deferrable in (True, False)
    ]
    assert made[0] == made[1]
    assert len(list((served.services.settings.home / "jobs").iterdir())) == 1


def test_without_a_version_in_production_it_is_skipped(registered: Life) -> None:
    with pytest.raises(AirflowSkipException, match="shop has no version in production yet"):
        score(registered)


def test_an_unpublished_day_is_skipped(served: Life) -> None:
    with pytest.raises(AirflowSkipException, match="2013-01-20 is not published yet"):
        score(served, number=20)
