"""Watching what was answered, and deciding once a window."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowSkipException

from include.core.control import decisions, effects
from include.core.errors import InputError
from include.core.request import Result
from include.governance.mirror import behind
from include.monitoring.profile.profile_file import read_profiles
from include.monitoring.retraining.decision import history
from include.prediction_log.layout import segments
from include.prediction_log.pieces import shipped
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.versions.lifecycle import set_production
from operators import lifecycle
from operators.monitoring import CollectPredictionsOperator, ProfileReferenceOperator, RotateLogOperator, _with_threshold
from operators.staleness import BuildHistoryOperator
from operators.unmanaged import CollectFeedbackOperator
from tests.support.nursery import DAYS
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import DecideRetrainingOperator, MonitorModelOperator, TrainStalenessProbesOperator
from tests.unit.operators.models.shop.orders import PER_DAY, orders_of
from tests.unit.operators.models.shop.spec import SPEC

WEEK = (day(DAYS + 1), day(DAYS + 3))  # the two days after those that were trained on


@pytest.fixture
def served(registered: Life) -> Life:
    """Version 1 is in production and has answered every order of two days, whose labels have arrived."""
    with registered.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    log = PredictionLog(registered.services.settings.home, MODEL)
    for number in (DAYS + 1, DAYS + 2):
        registered.land(day(number))
        registered.publish(day(number))
        log.write([record(row) for row in orders_of(day(number)).to_pylist()])
    log.close()
    return registered


def record(order: dict[str, Any], **changes: Any) -> Record:
    price = order["price"]
    features = {"mean_price": 20 + price / 2, "bought": 1 + price % 3, "price": price, "shelf": order["shelf"], **changes}
    written = (order["ordered_at"] + timedelta(seconds=1)).isoformat()
    return Record(
        kind="prediction", id=order["id"], at=written, event_time=order["ordered_at"].isoformat(), unit=order["customer"],
        features=features, version=1, arm="champion", score=min(0.99, price / 80), generation=1,
    )  # fmt: skip


def monitored_version(run: Run) -> Run:
    run(CollectPredictionsOperator(task_id="collect", model=MODEL))
    run(ProfileReferenceOperator(task_id="reference", model=MODEL))
    run(MonitorModelOperator(task_id="monitor", model=MODEL))
    return run


def decide(run: Run) -> dict[str, Any]:
    value: dict[str, Any] = run(DecideRetrainingOperator(task_id="decide", model=MODEL))
    return value


@pytest.mark.thorough
def test_a_priced_decision_looks_at_the_staleness_probe(served: Life) -> None:
    run = monitored_version(Run(interval=WEEK, run_type="scheduled"))
    run(BuildHistoryOperator(task_id="history", model=MODEL))
    run(TrainStalenessProbesOperator(task_id="shadows", model=MODEL))
    decided = decide(run)
    error = served.result(run.xcom["shadows"]).value["error"]
    assert len(error) == len(error[0])
    stored = {each.key: each for each in history(served.services.control, MODEL)}
    assert stored[decided["key"]].evidence["shadows"]["error"] == error


def test_only_a_price_brings_the_staleness_probe_into_the_dag() -> None:
    assert "shadows" not in lifecycle.monitoring_dag(SPEC).task_ids
    priced = SPEC.model_copy(update={"retraining": SPEC.retraining.model_copy(update={"price": 0.1})})
    dag = lifecycle.monitoring_dag(priced)
    assert dag.get_task("decide").upstream_task_ids == {"monitor", "shadows"}
    assert dag.get_task("shadows").upstream_task_ids == {"history"}


def rows(life: Life) -> list[str]:
    with life.services.control.transaction() as connection:
        return [row.action for row in connection.execute(sa.select(decisions.c.action))]


def test_a_window_is_collected_judged_and_decided_on_once(served: Life) -> None:
    run = monitored_version(Run(interval=WEEK, run_type="scheduled"))
    collected = served.result(run.xcom["collect"]).value
    assert (collected["rows"], collected["labelled"]) == (2 * PER_DAY, 2 * PER_DAY)
    report = served.result(run.xcom["monitor"])
    assert report.value["champion"]["version"] == 1
    assert report.value["performance"]
    asked = served.services.ledger.request(report.key).params
    assert (asked["threshold"], asked["holdout_threshold"]) == (0.5, 0.5)

    assert [each.model for each in behind(served.services.control)] == [MODEL]  # it was crowned, and nobody showed it
    first = decide(run)
    assert behind(served.services.control) == []
    assert served.services.labels().labels(MODEL)["aliases"] == {"champion": 1}
    assert (first["action"], first["new"]) == ("retrain", True), first["words"]
    assert run.sent == [("shop_retrain", {"decision": first["key"], "as_of": report.value["as_of"], "words": first["words"]})]

    again = Run(interval=WEEK, run_type="scheduled", run_id="cleared", xcom=dict(run.xcom))
    assert decide(again) == {**first, "new": False}
    assert rows(served) == ["retrain"]
    assert again.sent == run.sent  # the same event under the same decision: training with equal inputs returns what it has

    backfill = Run(interval=WEEK, run_type="backfill", xcom=dict(run.xcom))
    assert decide(backfill)["key"] == first["key"]
    assert backfill.sent == []
    allowed = Run(interval=WEEK, run_type="backfill", xcom=dict(run.xcom), conf={"deploy": True})
    decide(allowed)
    assert allowed.sent == run.sent

    # Windows that were asked for together with this one are asked for again, unless they are decided or no window's end.
    event, earlier = {"as_of": report.value["as_of"]}, ({"as_of": "2013-01-01"}, {"as_of": report.value["as_of"]}, {"as_of": "?"})
    together = Run(run_id="e", run_type="asset_triggered", event=event, earlier=earlier, xcom=dict(run.xcom))
    decide(together)
    assert together.sent == [*run.sent, ("shop_window", {"as_of": "2013-01-01T00:00:00"})]

    # What a backfill decides first is written down as such: only what was to be sent can be lost.
    control = served.services.control
    assert control.effect(f"decide/{first['key']}")["quiet"] is False  # type: ignore[index]
    with control.transaction() as connection:
        connection.execute(decisions.delete())
        connection.execute(effects.delete().where(effects.c.key == f"decide/{first['key']}"))
    decide(backfill)
    assert control.effect(f"decide/{first['key']}")["quiet"] is True  # type: ignore[index]
    assert control.effect(f"asked/{first['key']}") is None
    decide(run)
    assert control.effect(f"asked/{first['key']}") == {}


def test_a_window_judged_before_was_measured_at_the_threshold_of_its_request() -> None:
    request = SimpleNamespace(params={"threshold": 0.3})
    services: Any = SimpleNamespace(ledger=SimpleNamespace(request={"monitor/a": request}.__getitem__))
    older = Result("monitor/a", 0, 1, {"window": "a"}, {}, 1.0, "2013-01-08T00:00:00.000+00:00")
    newer = replace(older, key="monitor/b", value={"window": "b", "threshold": 0.4})
    assert _with_threshold(services, older) == {"window": "a", "threshold": 0.3}
    assert _with_threshold(services, newer) == newer.value


def test_broken_data_are_a_reason_to_hold_and_send_nothing(served: Life) -> None:
    for path in (served.services.settings.home / "predictions" / MODEL).iterdir():
        path.unlink()
    log = PredictionLog(served.services.settings.home, MODEL)
    log.write([record(row, mean_price=40.0) for row in orders_of(day(DAYS + 1)).to_pylist()])
    log.close()
    run = monitored_version(Run(interval=WEEK, run_type="scheduled"))
    decision = decide(run)
    assert decision["action"] == "hold"
    assert "mean_price has one value only" in decision["words"]
    assert run.sent == []


def test_collecting_again_takes_the_records_that_have_come_since(served: Life) -> None:
    def collect() -> Any:
        return served.result(Run(interval=WEEK)(CollectPredictionsOperator(task_id="collect", model=MODEL)))

    first = collect()
    assert collect().key == first.key
    late = {"id": "late", "customer": "customer-1", "ordered_at": datetime.fromisoformat("2013-01-06T10:00:00")}
    log = PredictionLog(served.services.settings.home, MODEL)
    log.write([record({**late, "price": 9.0, "shelf": "low"})])
    log.close()
    assert collect().value["rows"] == first.value["rows"] + 1
    assert served.services.ledger.result(first.key) == first


def test_without_a_champion_there_is_nothing_to_watch(registered: Life) -> None:
    run = Run(interval=WEEK)
    run(CollectPredictionsOperator(task_id="collect", model=MODEL))
    with pytest.raises(AirflowSkipException, match="shop has no version in production"):
        run(MonitorModelOperator(task_id="monitor", model=MODEL))


def test_the_champions_past_is_profiled_once_and_serves_after_its_training_set_is_gone(served: Life) -> None:
    first, second = (Run(interval=WEEK, run_type="scheduled", run_id=name) for name in ("one", "two"))
    for run in (first, second):
        run(CollectPredictionsOperator(task_id="collect", model=MODEL))
        run(ProfileReferenceOperator(task_id="reference", model=MODEL))
    assert first.xcom["reference"] == second.xcom["reference"]
    reference = served.result(first.xcom["reference"])
    assert sum(read_profiles(served.path(reference, "reference.parquet")).facts["importance"].values()) == pytest.approx(1)

    made = served.services.ledger.request(reference.key).inputs["training_set"]
    served.path(served.services.ledger.resolve(made), "train.parquet").unlink()
    second(MonitorModelOperator(task_id="monitor", model=MODEL))
    value = served.result(second.xcom["monitor"]).value
    assert set(value["kinds"]) == {"quality", "covariate", "prediction", "label", "concept"}
    assert value["performance"]["rows"] > 0


def test_a_reference_past_its_retention_takes_drift_with_it_and_nothing_else(served: Life) -> None:
    run = Run(interval=WEEK, run_type="scheduled")
    run(CollectPredictionsOperator(task_id="collect", model=MODEL))
    run(ProfileReferenceOperator(task_id="reference", model=MODEL))
    served.path(served.result(run.xcom["reference"]), "reference.parquet").unlink()
    run(MonitorModelOperator(task_id="monitor", model=MODEL))
    value = served.result(run.xcom["monitor"]).value
    assert (value["drift"]["verdict"], value["quality"]["passed"]) == ("abstain", True)
    assert "reference is gone" in value["drift"]["words"]
    assert value["performance"]["rows"] > 0


def test_a_reference_of_another_champion_is_not_used(served: Life) -> None:
    run = Run(interval=WEEK, run_type="scheduled")
    run(CollectPredictionsOperator(task_id="collect", model=MODEL))
    run.xcom["reference"] = served.commit("reference", {}, {})  # not of this champion's training set
    run(MonitorModelOperator(task_id="monitor", model=MODEL))
    monitored = served.services.ledger.request(served.result(run.xcom["monitor"]).key)
    assert sorted(monitored.inputs) == ["collect", "training_set"]


def test_what_a_gateway_that_is_gone_has_left_is_shipped_compacted_and_read_the_same(served: Life) -> None:
    def collected(run_id: str) -> Any:
        return served.result(Run(interval=WEEK, run_id=run_id)(CollectPredictionsOperator(task_id="collect", model=MODEL)))

    before, home = collected("one"), served.services.settings.home
    rotate = RotateLogOperator(task_id="rotate", model=MODEL)
    assert Run()(rotate) == {"files": 0}  # shipped, and opened just now
    assert shipped(served.services.storage, MODEL)
    served.services.storage.delete("predictions")
    for segment in segments(home, MODEL):
        old = segment.with_name(f"20130101{segment.name[8:]}")
        segment.rename(old)
        os.utime(old, (time.time() - 2 * 86_400,) * 2)
    assert Run()(rotate)["files"] >= 1
    assert segments(home, MODEL) == []
    assert collected("two").key == before.key
    assert Run()(rotate) == {"files": 0}


def test_labels_that_callers_sent_judge_a_window_where_the_spec_says_so(served: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    taught = SPEC.model_copy(update={"serving": SPEC.serving.model_copy(update={"feedback": ("monitoring",)})})
    monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", taught)
    run = Run(interval=WEEK, run_type="scheduled")
    with pytest.raises(InputError, match="collect is given none"):
        run(CollectPredictionsOperator(task_id="collect", model=MODEL))
    told = run(CollectFeedbackOperator(task_id="labels", model=MODEL))
    collected = served.result(run(CollectPredictionsOperator(task_id="collect", model=MODEL, labels=told)))
    assert collected.value["labels_told"] == 0  # every label has landed
    assert sorted(served.services.ledger.request(collected.key).inputs)[-1] == "feedback"
    dag = lifecycle.monitoring_dag(taught)
    assert dag.get_task("labels").downstream_task_ids == {"collect"}
    assert "labels" not in lifecycle.monitoring_dag(SPEC).task_ids


def test_a_skew_or_an_undecided_window_fails_the_run() -> None:
    """Airflow takes a run's state from the tasks that nothing follows."""
    dag = lifecycle.monitoring_dag(SPEC)
    assert {task.task_id for task in dag.tasks if not task.downstream_task_ids} == {"skew", "decide", "rotate"}
    assert dag.get_task("rotate").upstream_task_ids == {"collect"}
