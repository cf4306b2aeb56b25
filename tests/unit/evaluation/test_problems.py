"""Every kind of problem from rows to verdict: trained, measured beside champion and baselines, and gated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.core.errors import DataError
from include.core.request import Request
from include.core.spec import Evaluation
from include.evaluation.gate import decide
from include.problems.gate_words import notes, reasons
from include.problems.of import of_params
from tests.support.problem_life import Life
from tests.support.problem_rows import LABEL, LIST, PROBLEMS, problem_params, rows_of
from tests.support.training_example import FEATURES, training_set


def turned(value: dict[str, Any], section: Evaluation) -> dict[str, Any]:
    """The same two models, the champion in the challenger's place."""
    paired = {**value["paired"], "worse": -value["paired"]["worse"], "slices": []}
    other = {**value, "metrics": value["champion"], "champion": value["metrics"], "paired": paired}
    return {**other, "gate": decide(other, section).to_json()}


@pytest.fixture(scope="module", params=list(PROBLEMS))
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp(request.param), request.param)


def test_a_model_is_trained_measured_and_passes_against_one_that_is_worse(life: Life) -> None:
    good, problem = life.good, of_params(problem_params(life.kind))
    signature = json.loads(life.ledger.storage.read(good.files["signature.json"].path))
    assert signature["outputs"] == list(problem.outputs)
    assert of_params(signature).value == life.problem
    metric = problem.metric(problem.value.DEFAULT_METRIC)
    assert set(good.value["metrics"]) == {name for name, each in problem.metrics.items() if not each.decided} | {"rows"}

    result = life.passing
    value = result.value
    ours, theirs = (value[name][life.problem.DEFAULT_METRIC] for name in ("metrics", "champion"))
    assert metric.worse_by(theirs, ours) > 0
    assert value["gate"] == {"passed": True, "reasons": []}
    assert value["paired"]["worse"] == pytest.approx(metric.worse_by(ours, theirs), abs=2e-6)
    assert {row["value"] for row in value["slices"]} == {"C0", "C1", "C2", "C3"}
    assert set(value["baselines"]) == {"boosted", problem.historical_name}
    for name in problem.headline:
        assert value["baselines"]["boosted"][name] is not None
    assert value["curves"]
    assert not value["warnings"]
    page = life.page(result)
    for words in ("this model", "champion", "HistGradientBoosting", "<svg", "C3", *(c["title"] for c in value["curves"])):
        assert words in page
    if life.kind in ("regression", "interval"):
        assert "Errors are in minutes" in page


def test_one_that_is_worse_is_held_back_in_words_that_name_the_metric(life: Life) -> None:
    value = turned(life.passing.value, life.section())
    assert not value["gate"]["passed"]
    (words,) = (each for each in reasons(value, life.section()) if "the champion's" in each and "of carrier=" not in each)
    metric = of_params(value).metric(life.problem.DEFAULT_METRIC)
    assert words.startswith(metric.title)
    assert ("queries" if life.kind == "ranking" else "rows") in words
    assert ("minutes" in words) == (life.kind in ("regression", "interval"))
    beaten = metric.worse_by(
        value["metrics"][life.problem.DEFAULT_METRIC], value["baselines"]["boosted"][life.problem.DEFAULT_METRIC]
    )
    said = any(f"{metric.title}" in note and "gradient boosting" in note for note in notes(value, life.section()))
    assert said == (beaten > 0)


def test_the_grid_is_searched_by_the_problems_own_metric(life: Life) -> None:
    value = life.train(step="tune", search={"noise": [3.0, 0.0]}).value
    assert value["params"]["noise"] == 0.0
    name = "log_loss" if life.kind in ("binary", "multiclass") else life.problem.DEFAULT_METRIC
    assert all(set(trial) == {"params", name} for trial in value["trials"])


def test_a_floor_that_is_missed_closes_the_gate_whichever_way_up_the_metric_is(life: Life) -> None:
    metric = of_params(problem_params(life.kind)).metric(life.problem.DEFAULT_METRIC)
    asked = life.section(minimum=0.999 if metric.higher_is_better else 1e-6)
    (reason,) = decide(life.passing.value, asked).reasons
    assert ("below the floor" if metric.higher_is_better else "above the ceiling") in reason


def test_a_champion_of_another_problem_is_not_compared_and_closes_the_gate(tmp_path: Path) -> None:
    numbers, classes = Life(tmp_path, "regression"), Life(tmp_path, "multiclass")
    value = classes.evaluate(classes.train(), champion=numbers.train()).value
    assert value["champion"] is None
    assert "paired" not in value
    assert "the champion is a Regression of value, this model a MultiClass of early, on time, late" in value["gate"]["reasons"][0]
    assert "slipstream gate open" in value["gate"]["reasons"][0]


@pytest.mark.parametrize(
    ("kind", "fit", "said"),
    [
        ("interval", "fit_crossed", "lie outside their own interval"),
        ("multiclass", "fit_logits", "where probabilities are needed"),
        ("interval", "fit_one", "outputs|outputs of shape"),
        ("multiclass", "fit_one", "outputs|outputs of shape"),
    ],
)
def test_outputs_that_are_none_of_the_problem_are_refused(tmp_path: Path, kind: str, fit: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Life(tmp_path, kind).train(fit)


@pytest.mark.parametrize("kind", ["regression", "multiclass", "ranking"])
def test_rows_of_one_value_are_refused(tmp_path: Path, kind: str) -> None:
    life = Life(tmp_path, kind)
    rows = rows_of(kind)
    same = pa.array(["late" if kind == "multiclass" else 0.0] * len(rows))
    flat = rows.set_column(rows.schema.get_field_index(LABEL), LABEL, same)
    life.data = training_set(life.ledger, tmp_path / "flat", flat, rows_of(kind, 600, seed=2))
    with pytest.raises(DataError, match="Training needs rows that tell something of 'late'"):
        life.train()


def test_a_fit_gets_whole_lists_with_their_rows_together(tmp_path: Path) -> None:
    from include.core.task import Task
    from include.training.train_step import read_rows

    life = Life(tmp_path, "ranking")
    params = {"features": FEATURES, "label": LABEL, **problem_params("ranking")}
    request = Request("train", "x:y", "example", params, {"training_set": life.ledger.ref(life.data)})
    task = Task(request, life.ledger.open_attempt(request.key, 0), life.ledger, life.settings, tmp_path)
    train, validation, _ = read_rows(task, task.file("training_set", "train.parquet"))
    for rows in (train, validation, train.last(100)):
        assert rows.queries is not None
        changes = int((rows.queries[1:] != rows.queries[:-1]).sum()) + 1
        assert changes * LIST == len(rows)
    assert len(train.last(100)) == 96  # of lists all or nothing
    assert 800 - 2 * LIST < len(train) + len(validation) <= 800


def test_a_model_whose_classes_are_in_another_order_is_not_measured_by_the_present_one(tmp_path: Path) -> None:
    """Its outputs have the same shape, and every label would be compared with another class's probability."""
    life = Life(tmp_path, "multiclass")
    turned_round = {**problem_params("multiclass")["problem"], "classes": list(reversed(life.problem.outputs)), "costs": None}
    section = life.section().model_dump(mode="json")
    params = {"features": FEATURES, "label": LABEL, "threshold": 0.5, "evaluation": section, "problem": turned_round}
    inputs = {"training_set": life.ledger.ref(life.data), "train": life.ledger.ref(life.good)}
    with pytest.raises(DataError, match="The trained model was trained for another problem than the spec now states"):
        life.run(Request("evaluate", "include.evaluation.evaluate_step:run", "example", params, inputs))
