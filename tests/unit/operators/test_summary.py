"""What a person reads in the log of a task that went well: what was computed, its key, the figures, how long, where it lies."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from operators.base import ReconcileOperator
from operators.sensors import PartitionSensor
from operators.summary import LINES, WIDTH, subject, summary
from operators.validation import ValidateDataOperator
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import (
    CheckGateOperator,
    EvaluateModelOperator,
    MaterializeFeaturesOperator,
    PublishFeaturesOperator,
    RegisterModelOperator,
    TrainModelOperator,
    ValidateTrainingSetOperator,
)

pytestmark = pytest.mark.thorough  # whole days through every step

Read = Callable[[], str]


@pytest.fixture
def read(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Read:
    """What was logged since it was read last."""
    caplog.set_level(logging.INFO)

    def lines() -> str:
        text = caplog.text + capsys.readouterr().out
        caplog.clear()
        return text

    return lines


def scheduled(number: int) -> Run:
    """The run that Airflow makes for a day: its id carries the end of its interval."""
    return Run(run_id=f"scheduled__{day(number + 1)}T02:00:00+00:00", interval=(day(number), day(number + 1)))


def assert_told(text: str, *words: str) -> None:
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in:\n{text}"


def test_the_tasks_of_a_day_say_the_day_the_key_the_rows_how_long_and_where(life: Life, read: Read) -> None:
    life.land(day(1))
    run = scheduled(1)
    read()
    run(ValidateDataOperator(task_id="validate", model=MODEL))
    told = read()
    about = "validate of shop. The data's day is 2013-01-01: the start of the run's interval; the run's id carries its end, 2013"
    assert_told(told, about, "key validate/", "Computed validate/", "passed", "in quarantine", "it lies at ")
    assert re.search(r"orders: \d+ rows, 0 in quarantine, \d+ checks", told)
    assert re.search(r"\(attempt 1 in \d+\.\d s, 20\d\d-", told)
    run(PublishFeaturesOperator(task_id="publish", model=MODEL))
    assert_told(read(), "Computed features/", "rows: ", "2013-01-01 is published now.", "/result.json")
    run(MaterializeFeaturesOperator(task_id="materialize", model=MODEL))
    told = read()
    assert_told(told, "The data's day is 2013-01-01", f"materialize/{MODEL}/2013-01-01 is as it should be, after ")
    assert re.search(r"\w+: \d+ entities, \d+ written, 0 newer online already", told)


def test_a_result_that_was_there_is_called_reused_with_its_figures(life: Life, read: Read) -> None:
    life.land(day(1))
    life.publish(day(1))
    read()
    life.publish(day(1), Run({"day": "2013-01-01"}, "manual__2"))
    told = read()
    assert_told(told, "Reused validate/", "Reused features/", "rows: ", "was published with this result already")
    assert_told(told, "to compute it anew: run with fresh=true", "as the run's parameter `day` says")
    assert "Computed" not in told


def test_the_training_tasks_say_metrics_the_gate_and_the_version(nursery: Nursery, registered: Life, read: Read) -> None:
    run = nursery.run()
    read()
    registered.snapshot(run)
    assert_told(read(), "Training as of ", "training_set of shop. As of ", " rows from ", " of them held out")
    run(ValidateTrainingSetOperator(task_id="validate_training_set", model=MODEL))
    run(TrainModelOperator(task_id="train", model=MODEL))
    assert_told(read(), "train/", "trained on ", "on the validation rows: ", "auc ")
    run(EvaluateModelOperator(task_id="evaluate", model=MODEL))
    assert_told(read(), "held-out rows: ", "baseline boosted: ", "gate open")
    run(CheckGateOperator(task_id="gate", model=MODEL))
    assert_told(read(), "gate open: ")
    run(RegisterModelOperator(task_id="register", model=MODEL))
    assert_told(read(), "version 1 (1.0.0) of shop is Candidate", "asks for the rollout of version 1")


def test_a_day_that_has_not_landed_is_waited_for_with_its_neighbours(life: Life, read: Read) -> None:
    for number in (1, 2, 5):
        life.land(day(number))
    run = scheduled(3)
    assert PartitionSensor(task_id="wait", model=MODEL).poke(run.context("wait")) is False
    assert_told(read(), "The data's day is 2013-01-03", "carries its end, 2013-01-04", "the nearest: 2013-01-02 and 2013-01-05")


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (scheduled(1), "is 2013-01-01: the start of the run's interval; the run's id carries its end, 2013-01-02."),
        (Run({"day": "2013-01-01"}), "is 2013-01-01, as the run's parameter `day` says."),
        (Run(event={"day": "2013-01-01"}), "is 2013-01-01, as the event that started the run says."),
        (Run(), "is 2013-01-01."),
    ],
    ids=["interval", "parameter", "event", "neither"],
)
def test_it_is_said_where_a_run_has_its_day_from(run: Run, words: str) -> None:
    assert subject(run.context("t"), {"day": "2013-01-01"}) == f"The data's day {words}"


@pytest.mark.parametrize(
    "value",
    [None, [], "text", 3, {}, {"sources": None}, {"rows": {"a": 1}}, {"metrics": []}, {"gate": {}}, {"a": {"b": {"c": [1]}}}],
    ids=str,
)
@pytest.mark.parametrize("step", ["validate", "features", "train", "evaluate", "monitor", "score", ""])
def test_a_value_of_any_form_has_a_summary_and_fails_no_task(step: str, value: Any) -> None:
    assert all(isinstance(line, str) for line in summary(step, value))


def test_a_summary_is_a_few_lines_however_much_there_is() -> None:
    lines = summary("", {**{f"f{n}": {"rows": n} for n in range(99)}, "words": ["a\nb" * 500], "x": 1.23456789, "n": 1234567})
    assert len(lines) <= LINES
    assert all(len(line) <= WIDTH and "\n" not in line for line in lines)
    assert lines[0] == "x 1.235, n 1,234,567"


def test_what_a_reconciling_task_changed_is_reported_in_its_figures(
    life: Life, read: Read, context: Callable[..., dict[str, Any]]
) -> None:
    class Moves(ReconcileOperator):
        def resource(self, context: Any) -> str:
            return "rollout/shop"

        def reconcile(self, context: Any, services: Any, epoch: int) -> Any:
            return {"champion": 2, "previous": None, "generation": 1200}

    Moves(task_id="promote", model=MODEL).execute(context())
    assert_told(read(), "rollout/shop is as it should be, after ", "champion 2, previous none, generation 1,200")


def test_the_day_is_an_xcom_of_every_task_that_is_about_one(life: Life) -> None:
    life.land(day(1))
    run, pushed = scheduled(1), {}
    tasks = {"validate": ValidateDataOperator, "publish": PublishFeaturesOperator, "materialize": MaterializeFeaturesOperator}
    for task_id, kind in tasks.items():
        operator, context = kind(task_id=task_id, model=MODEL), run.context(task_id)
        context["ti"].xcom_push = lambda key, value, task=operator.task_id: pushed.setdefault((task, key), value)
        run.xcom[operator.task_id] = run.task(operator).execute(context)
    assert pushed == {(task, "day"): "2013-01-01" for task in tasks}
