"""Fits that begin from the version in production, as tasks: what each asks for, which goes on, and the shape of the DAG."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from include.core.errors import InputError
from include.core.request import Ref
from include.training.job import TrainingJob
from include.training.warm_start import Begun
from include.versions.lifecycle import set_production
from include.versions.queries import records
from operators import training_group
from operators.evaluation import EvaluateModelOperator
from operators.registry import RegisterModelOperator
from operators.summary import summary
from operators.training import ChooseFitOperator, TrainModelOperator
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import wired
from tests.unit.operators.models.shop.spec import SPEC
from tests.unit.operators.models.shop.train import fit as fit_cold

HERE = "tests.unit.operators.test_warm_start"
WARM = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"warm_start": True, "fit": f"{HERE}:fit"})})
Train = wired(TrainModelOperator, training_set="build_training_set", tuned="tune")
Choose = wired(ChooseFitOperator, trained="train", cold="train_cold")
Evaluate = wired(EvaluateModelOperator, training_set="build_training_set", trained="choose", cold="train_cold")

Register = wired(RegisterModelOperator, training_set="build_training_set", trained="choose", evaluation="evaluate", plan="plan")


def fit(job: TrainingJob) -> None:
    """The shop's, which takes a champion's weights and does nothing with them."""
    fit_cold(job)
    if job.champion is not None:
        assert job.champion.weights == b"of a fit"
        job.begun.append(Begun(True))
    job.weights_path.write_bytes(b"of a fit")


def trained(life: Life, **run: Any) -> Run:
    """plan → training set → train cold → train → choose → evaluate, as the DAG has it."""
    made = life.snapshot(Run(**run))
    made(Train(task_id="train_cold", model=MODEL, cold=True))
    made(Train(task_id="train", model=MODEL))
    made(Choose(task_id="choose", model=MODEL))
    made(Evaluate(task_id="evaluate", model=MODEL))
    return made


@pytest.fixture
def life(published: Life, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Of a spec that asks for warm starts; nothing is trained yet."""
    monkeypatch.setattr(type(published.services), "spec", lambda *_: WARM)
    return published


def crown(life: Life, run: Run) -> Ref:
    """Register what a run has trained, and put it in production; its trained result."""
    run(Register(task_id="register", model=MODEL))
    with life.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    (record,) = records(life.services.control, MODEL)
    return record.entry.lineage.train


def test_the_first_training_is_one_cold_fit_and_the_next_begins_from_it(life: Life) -> None:
    first = trained(life)
    assert first.xcom["train"] == first.xcom["train_cold"] == first.xcom["choose"]
    assert "cold" not in life.result(first.xcom["evaluate"]).value
    champion = crown(life, first)

    life.land(day(5))
    life.publish(day(5))
    second = trained(life, run_id="manual__2")
    ledger = life.services.ledger
    warm, cold = (life.result(second.xcom[name]) for name in ("train", "train_cold"))
    assert ledger.request(warm.key).inputs["champion"].digest == champion.digest
    assert "champion" not in ledger.request(cold.key).inputs
    assert warm.value["warm_start"] == {"warm": True}
    assert "began from the champion's weights" in summary("train", warm.value)
    # The same fit twice, so the same metrics: what began warm is not worse, and goes on.
    assert second.xcom["choose"] == second.xcom["train"] != second.xcom["train_cold"]
    value = life.result(second.xcom["evaluate"]).value
    assert value["cold"]["paired"]["worse"] == 0
    assert any(line.startswith("a cold fit on the same rows: ") for line in summary("evaluate", value))
    assert value["gate"]["passed"]

    backfill = trained(life, run_id="backfill__1", run_type="backfill")
    assert backfill.xcom["train"] == backfill.xcom["train_cold"] == second.xcom["train_cold"]


def test_a_champion_that_no_fit_can_begin_from_is_named_and_the_fit_begins_cold(
    registered: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with registered.services.control.transaction() as connection:
        set_production(connection, MODEL, 1)
    monkeypatch.setattr(type(registered.services), "spec", lambda *_: WARM)
    run = registered.snapshot(Run(run_id="manual__2"))
    request = run.request(Train(task_id="train", model=MODEL), registered.services)
    assert list(request.inputs) == ["training_set"]
    assert "the version in production is of another fit" in capsys.readouterr().out


def test_twins_of_other_rows_are_refused(life: Life) -> None:
    first = trained(life)
    life.land(day(5))
    life.publish(day(5))
    second = life.snapshot(Run(run_id="manual__2"))
    second(Train(task_id="train", model=MODEL))
    second.xcom["train_cold"] = first.xcom["train_cold"]
    with pytest.raises(InputError, match="do not belong together"):
        second(Choose(task_id="choose", model=MODEL))


def test_a_model_without_warm_starts_has_the_tasks_that_it_had() -> None:
    def ids(spec: Any) -> set[str]:
        with DAG("own", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=UTC)) as made:
            training_group(spec, group_id=None)
        return set(made.task_ids)

    assert ids(WARM) - ids(SPEC) == {"train_cold", "choose"}
    with DAG("own", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=UTC)) as made:
        training_group(WARM, group_id=None)
    assert made.task_dict["train"].upstream_task_ids == {"build_training_set", "validate_training_set", "tune", "train_cold"}
    assert made.task_dict["train_cold"].upstream_task_ids == {"build_training_set", "validate_training_set", "tune"}
    assert made.task_dict["evaluate"].upstream_task_ids == {"build_training_set", "choose", "train_cold"}
    assert made.task_dict["register"].upstream_task_ids == {"plan", "build_training_set", "choose", "evaluate", "gate"}
