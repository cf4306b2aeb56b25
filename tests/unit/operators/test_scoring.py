"""The nightly batch: rerun-safe, and only with a version in production."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.request import Result
from include.core.spec import Scoring
from include.online_store.precomputed import view_of
from include.versions.lifecycle import set_production
from operators.scoring import PublishScoresOperator, ScoreBatchOperator
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


def test_the_scores_become_their_partitions_file_and_a_rerun_changes_nothing(served: Life) -> None:
    publish = PublishScoresOperator(task_id="publish", model=MODEL, scores=served.services.ledger.ref(score(served)).to_json())
    first, again = (Run({"day": day(DAYS).isoformat()})(publish) for _ in range(2))
    assert (first["version"], first["rows"], first["changed"], again["changed"]) == (1, PER_DAY, True, False)
    files = [*served.services.storage.list(f"scores/{MODEL}")]
    assert files == [first["path"]] == [f"scores/{MODEL}/date={day(DAYS)}/part-00000.parquet"]
    assert first["online"] == 0
    assert PublishScoresOperator.summary_lines(publish, first)


def test_precomputed_defaults_are_online_after_it(served: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = served.services.spec(MODEL).model_copy(update={"scoring": Scoring(defaults=True, ttl=timedelta(days=36500))})
    monkeypatch.setattr(type(served.services), "spec", lambda *_: spec)
    result = score(served)
    publish = PublishScoresOperator(task_id="publish", model=MODEL, scores=served.services.ledger.ref(result).to_json())
    value = Run({"day": day(DAYS).isoformat()})(publish)
    scores = served.table(result, "scores.parquet")
    entities = {tuple(row[key] for key in spec.features.keys) for row in scores.to_pylist()}
    assert value["online"] == len(entities) > 0
    view = view_of(spec)
    assert view is not None
    found = served.services.online().read(MODEL, view, sorted(entities))
    assert {row["precomputed_version"] for row in found if row} == {1}
