"""Whether and on what a run trains; and what no model can learn from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.core.errors import DataError, InputError, PermanentError
from include.core.given_up import GivenUpMark, given_up_mark, place_of
from include.core.ledger import collected_mark
from include.core.request import Ref, Request
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from operators.lifecycle import training_dag
from operators.training import PlanTrainingOperator
from operators.unmanaged import CollectFeedbackOperator
from tests.support.error_message import assert_says
from tests.support.nursery import DAYS
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import (
    BuildTrainingSetOperator,
    ListWithdrawnOperator,
    TrainModelOperator,
    TuneModelOperator,
    ValidateTrainingSetOperator,
)
from tests.unit.operators.models.shop.orders import PER_DAY, orders_of
from tests.unit.operators.models.shop.spec import SPEC

EVENT = {"as_of": "2013-01-03T00:00:00", "decision": "shop:w", "words": "drift of price"}
NEW_YEAR = (day(1), day(4))


def plan(run: Run) -> dict[str, str]:
    value: dict[str, str] = run(PlanTrainingOperator(task_id="plan", model=MODEL))
    return value


@pytest.mark.parametrize(
    ("run", "as_of", "reason"),
    [
        (Run({"as_of": "2013-01-02"}, event=EVENT, interval=NEW_YEAR), "2013-01-02T00:00:00", "drift of price"),
        (Run(event=EVENT, interval=NEW_YEAR, run_type="asset_triggered"), "2013-01-03T00:00:00", "drift of price"),
        (Run(interval=NEW_YEAR, run_type="scheduled"), "2013-01-04T00:00:00", "schedule floor"),
        (Run(interval=NEW_YEAR, run_type="backfill"), "2013-01-04T00:00:00", "walk-forward backtest"),
        (Run(), "2013-01-05T00:00:00", "asked for by hand"),
        (Run({"as_of": "2013-01-03T02:00:00+02:00"}), "2013-01-03T00:00:00", "asked for by hand"),
    ],
    ids=["the parameter", "the event", "the interval's end", "a backfill's interval", "the newest day", "another time zone"],
)
def test_the_as_of_time_is_the_parameter_the_event_the_interval_or_the_newest_day(
    published: Life, run: Run, as_of: str, reason: str
) -> None:
    made = plan(run)
    assert (made["as_of"], made["reason"]) == (as_of, reason)


def test_an_as_of_that_is_no_time_is_refused_with_its_text(published: Life) -> None:
    with pytest.raises(DataError, match=r"(?s)'as_of' is no date.*'yesterday'.*as_of=2013-04-01"):
        plan(Run({"as_of": "yesterday"}))


def test_nothing_published_says_which_dag_to_run(life: Life) -> None:
    with pytest.raises(DataError, match=r"(?s)No day is published yet.*features DAG"):
        plan(Run())


def test_a_scheduled_run_without_labelled_rows_is_skipped_with_the_reason(published: Life) -> None:
    late = Run(interval=(day(31), day(60)), run_type="scheduled")
    with pytest.raises(AirflowSkipException, match="No labelled rows between 2013-02-08 and 2013-02-28"):
        plan(Run(interval=(day(58), day(59)), run_type="scheduled"))
    with pytest.raises(AirflowSkipException, match="nothing to train on"):
        plan(late)


def test_a_scheduled_run_is_skipped_if_the_newest_version_has_seen_all_there_is(registered: Life) -> None:
    with pytest.raises(AirflowSkipException, match=r"No labelled rows newer than those of the newest version \(2013-01-05\)"):
        plan(Run(interval=(day(5), day(10)), run_type="scheduled"))
    registered.land(day(5))
    registered.publish(day(5))
    assert plan(Run(interval=(day(5), day(10)), run_type="scheduled"))["as_of"] == "2013-01-10T00:00:00"


def test_a_person_or_an_event_may_train_although_nothing_is_new(registered: Life) -> None:
    assert plan(Run())["as_of"] == "2013-01-05T00:00:00"
    assert plan(Run(event=EVENT, run_type="asset_triggered"))["reason"] == "drift of price"


def test_the_training_set_is_one_snapshot_of_what_was_known(published: Life) -> None:
    first = published.result(published.snapshot(Run()).xcom["build_training_set"])
    again = published.result(published.snapshot(Run(run_id="manual__2")).xcom["build_training_set"])
    assert first == again
    assert first.value["rows"] == DAYS * PER_DAY
    assert first.value["holdout_rows"] == PER_DAY
    assert published.table(first, "train.parquet").num_rows == (DAYS - 1) * PER_DAY


def test_its_verdict_is_that_of_its_rows(published: Life) -> None:
    run = published.snapshot(Run())
    verdict = published.result(run(ValidateTrainingSetOperator(task_id="validate_training_set", model=MODEL)))
    assert verdict.value["passed"]
    assert set(verdict.value["sources"]) == {"train", "holdout"}


LABEL = "came_back"
UNUSABLE: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({LABEL: pa.nulls(PER_DAY, pa.int8())}, {}, "Every label 'came_back' is null or has not arrived: 800 rows without one"),
    ({LABEL: pa.array([0] * PER_DAY, pa.int8())}, {}, "0 of 600 rows are positive: at least 1 of either class"),
    ({LABEL: pa.array([1] * PER_DAY, pa.int8())}, {}, "600 of 600 rows are positive: at least 1 of either class"),
    ({"id": pa.array([f"other-{n}" for n in range(PER_DAY)])}, {}, "None of 800 rows has a label 'came_back' by then"),
    ({}, {"as_of": "2013-03-20"}, "No day is published in the 20 days before 2013-03-20"),
    ({}, {"as_of": "2013-01-02"}, "training.holdout_days = 1 leaves 0 rows to train on and 200 held out"),
]


@pytest.mark.parametrize(
    ("returns", "params", "what"),
    UNUSABLE,
    ids=["null labels", "never", "always", "labels of others", "no labelled rows in the window", "holdout takes all"],
)
def test_rows_that_nothing_can_be_learnt_from_are_refused_before_training(
    life: Life, returns: dict[str, Any], params: dict[str, Any], what: str
) -> None:
    life.days(DAYS, returns=returns)
    with pytest.raises(DataError) as refused:
        life.snapshot(Run(params))
    assert what in str(refused.value)
    assert "Next: " in str(refused.value)
    assert not [path for path in life.services.storage.list("ledger/training_set") if path.endswith("result.json")]


def test_the_error_names_the_counts_and_the_setting(life: Life) -> None:
    life.days(1)
    with pytest.raises(DataError) as refused:
        life.snapshot(Run())
    assert_says(refused.value, "training.window_days", "'rows': 200", "the champion stays", "publish more days")


def test_tuning_is_skipped_unless_the_run_asks_for_it() -> None:
    with pytest.raises(AirflowSkipException, match="parameter `tune`"):
        Run()(TuneModelOperator(task_id="tune", model=MODEL))


def test_the_chosen_parameters_reach_the_training(published: Life) -> None:
    run = published.snapshot(Run({"tune": True}))
    plain = request_of(published, run)
    chosen = published.result(run(TuneModelOperator(task_id="tune", model=MODEL))).value
    assert len(chosen["trials"]) == 2
    assert chosen["params"]["ridge"] in (1.0, 9.0)
    run.xcom["tune"] = published.commit("tune", {"params": {"ridge": 9.0}, "trials": []}, {})
    tuned = request_of(published, run)
    assert tuned.params["training"]["params"] == {"ridge": 9.0} != plain.params["training"]["params"]
    assert tuned.key != plain.key
    trained = published.result(run(TrainModelOperator(task_id="train", model=MODEL)))
    assert trained.value["params"] == {"ridge": 9.0}


def request_of(life: Life, run: Run) -> Request:
    return run.request(TrainModelOperator(task_id="train", model=MODEL), life.services)


def test_a_changed_search_grid_retrains_nothing(published: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    run = published.snapshot(Run())
    assert "search" not in request_of(published, run).params["training"]
    assert "schedule" not in request_of(published, run).params["training"]


def test_two_runs_at_once_share_one_training_job(published: Life) -> None:
    """As processes of the job backend: both wait for it, both get its result."""
    runs = [published.snapshot(Run(run_id=f"manual__{n}")) for n in range(2)]

    def train(run: Run) -> Any:
        return run(TrainModelOperator(task_id="train", model=MODEL, where="job", deferrable=False, poll_seconds=0.05))

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(train, runs)
    assert first == second
    assert len(list((published.services.settings.home / "jobs").iterdir())) == 1
    result = published.result(first)
    assert set(result.files) == {"model.onnx", "signature.json"}
    assert (result.generation, result.attempt) == (0, 1)


def test_a_deferred_training_is_resumed_by_its_trigger(published: Life) -> None:
    run = published.snapshot(Run())
    operator = TrainModelOperator(task_id="train", model=MODEL, where="job", poll_seconds=0.05)
    assert published.result(run(operator)).value["rows"] > 0
    assert operator.links["Job"].endswith("/log")


def test_a_job_that_meets_a_permanent_error_fails_the_task_as_itself(published: Life) -> None:
    """In a process of its own: the error crosses by the ledger."""
    run = published.snapshot(Run())
    made = published.result(run.xcom["build_training_set"])
    files = {name: published.path(made, "holdout.parquet") for name in made.files}
    run.xcom["build_training_set"] = published.commit("training_set", {**made.value, "rows": 1}, files)
    with pytest.raises(PermanentError) as failed:
        run(TrainModelOperator(task_id="train", model=MODEL, where="job", deferrable=False, poll_seconds=0.05))
    assert isinstance(failed.value, DataError)
    assert_says(failed.value, "Too few rows to train on", "the training set is kept")


def test_the_snapshot_takes_no_day_after_its_as_of_time(published: Life) -> None:
    run = Run({"as_of": "2013-01-03"})
    plan(run)
    request = run.request(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL), published.services)
    assert sorted(request.inputs) == ["2013-01-01", "2013-01-02"]


def test_a_spec_may_leave_out_what_withdrawn_versions_answered(published: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    training = SPEC.training.model_copy(update={"without_withdrawn": True})
    monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", SPEC.model_copy(update={"training": training}))
    monkeypatch.setattr("include.rollout.history.withdrawn", lambda control, model: [7])
    ids = [row["id"] for row in orders_of(day(2)).to_pylist()][:5]
    log = PredictionLog(published.services.settings.home, MODEL)
    at = "2026-01-01T00:00:00.000000+00:00"
    log.write([Record("prediction", name, at, "2013-01-02T12:00:00", version=7, score=0.5) for name in ids])
    log.close()

    def rows(run: Run, **inputs: None) -> int:
        build = BuildTrainingSetOperator(task_id="build_training_set", model=MODEL, **inputs)
        return int(published.result(run(build)).value["rows"])

    run = Run({"as_of": "2013-01-05"})
    run(PlanTrainingOperator(task_id="plan", model=MODEL))
    assert published.result(run(ListWithdrawnOperator(task_id="withdrawn", model=MODEL))).value["requests"] == 5
    less = rows(run)
    with pytest.raises(InputError, match="build_training_set has no list"):
        rows(run, withdrawn=None)
    monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", SPEC)
    assert rows(run, withdrawn=None) == less + 5
    tasks = {task.task_id: task for task in training_dag(SPEC.model_copy(update={"training": training})).tasks}
    assert tasks["withdrawn"].downstream_task_ids == {"build_training_set"}
    assert "withdrawn" not in {task.task_id for task in training_dag(SPEC).tasks}


def test_labels_that_callers_sent_are_learned_from_where_the_spec_says_so(
    published: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = SPEC.model_copy(update={"serving": SPEC.serving.model_copy(update={"feedback": ("training",)})})
    monkeypatch.setattr("tests.unit.operators.models.shop.spec.SPEC", taught)
    log = PredictionLog(published.services.settings.home, MODEL)
    log.write([Record("label", "o-1", "2013-01-03T00:00:00.000000+00:00", label=1.0)])
    log.close()
    run = Run({"as_of": "2013-01-05"})
    run(PlanTrainingOperator(task_id="plan", model=MODEL))
    with pytest.raises(InputError, match="build_training_set is given none"):
        run(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL))
    told = run(CollectFeedbackOperator(task_id="feedback", model=MODEL, plan=run.xcom["plan"]))
    assert published.result(told).value["labels"] == 1
    built = run(BuildTrainingSetOperator(task_id="build_training_set", model=MODEL, feedback=told))
    assert published.result(built).value["told"] == 0  # no published row has that id
    tasks = {task.task_id: task for task in training_dag(taught).tasks}
    assert tasks["feedback"].upstream_task_ids == {"plan"}
    assert tasks["feedback"].downstream_task_ids == {"build_training_set"}
    assert "feedback" not in {task.task_id for task in training_dag(SPEC).tasks}


def test_a_training_whose_version_was_given_up_is_skipped_and_says_so(published: Life) -> None:
    """A clear of an old week: nothing is trained again, unless a person asks for it anew."""
    life, ledger = published, published.services.ledger
    run = life.trained()
    place = place_of(Ref.from_json(run.xcom["train"]))
    assert place is not None
    GivenUpMark(MODEL, 3, "2013-02-01", "data.retention.versions").keep(ledger.storage, given_up_mark(*place))
    ledger.storage.delete(f"ledger/{place[0]}/g0/result.json")
    ledger.storage.create(collected_mark(*place), b"{}")
    again = life.snapshot(Run(run_id="cleared"))
    for _ in range(2):  # the second time another generation may be open
        with pytest.raises(AirflowSkipException, match="made version 3 of shop, which was given up on 2013-02-01"):
            again(TrainModelOperator(task_id="train", model=MODEL))
        ledger.current(place[0])
    anew = life.snapshot(Run({"fresh": True}, run_id="anew"))
    assert anew(TrainModelOperator(task_id="train", model=MODEL))["uri"].startswith(f"ledger/{place[0]}/g2")
