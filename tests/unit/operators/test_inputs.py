"""What an operator takes for an input, and what it refuses: before the DAG is parsed, and before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

import operators
from include.core.errors import InputError
from include.core.request import Ref
from operators import BuildTrainingSetOperator, EvaluateModelOperator, PublishFeaturesOperator, TrainModelOperator
from operators.inputs import WithInputs
from tests.support.error_message import assert_says
from tests.support.nursery import Nursery
from tests.support.operator_runs import MODEL, Life, Run

KINDS = [kind for name in dir(operators) if isinstance(kind := getattr(operators, name), type) and issubclass(kind, WithInputs)]
MISSING = [(kind, name) for kind in KINDS for name, takes in kind.takes.items() if takes.required]
OTHERS = {"stage": "shadow"}  # what else a constructor asks for


def made(kind: Any, **given: Any) -> Any:
    others = OTHERS if kind is operators.RolloutStageOperator else {}
    return kind(task_id="it", model=MODEL, **others, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_is_templated_and_every_class_has_an_example(kind: Any) -> None:
    assert set(kind.takes) <= set(kind.template_fields)
    assert "**Example**" in kind.__doc__
    assert f"{kind.__name__}" in kind.__doc__.partition("**Example**")[2]
    for name in kind.template_fields:
        assert f":param {name}" in kind.__doc__ or f":param {name}" in kind.__mro__[1].__doc__, name


@pytest.mark.parametrize(("kind", "name"), MISSING)
def test_a_missing_input_is_refused_while_the_dag_is_parsed(kind: Any, name: str) -> None:
    others = {other: {} for other in kind.takes if other != name}
    with pytest.raises(InputError) as refused:
        made(kind, **others)
    assert_says(
        refused.value, f"{kind.__name__} 'it' has no input {name!r}", f"pass {name}=made.output", kind.takes[name].made_by
    )


@pytest.mark.parametrize(("kind", "name"), MISSING)
def test_so_it_is_of_a_mapped_operator(kind: Any, name: str) -> None:
    others = {other: {} for other in kind.takes if other != name}
    with DAG("d"):
        partial = kind.partial(task_id="it", model=MODEL, **others)
        with pytest.raises(InputError, match=f"{kind.__name__} 'it' has no input {name!r}"):
            partial.expand(queue=["a", "b"])
        assert kind.partial(task_id="its", model=MODEL, **others).expand(**{name: [{}, {}]}).task_id == "its"


def test_at_least_the_life_of_a_model_asks_for_inputs() -> None:
    assert len(MISSING) >= 20


def fit(value: Any) -> TrainModelOperator:
    return TrainModelOperator(task_id="fit", model=MODEL, training_set=value)


def written(value: dict[str, str]) -> list[Any]:
    """The ways in which an author, or a template, may write the same reference."""
    return [value, Ref.from_json(value), str(value), str(value).replace("'", '"')]


def test_a_reference_may_be_written_in_any_way(registered: Life, nursery: Nursery) -> None:
    ref = nursery.run().xcom["build_training_set"]
    seen = {fit(value).ref("training_set", registered.services).digest for value in written(ref)}
    assert seen == {ref["digest"]}


@pytest.mark.parametrize("empty", ["None", "", None])
def test_an_optional_input_may_be_empty(registered: Life, nursery: Nursery, empty: str | None) -> None:
    ref = nursery.run().xcom["build_training_set"]
    operator = TrainModelOperator(task_id="fit", model=MODEL, training_set=ref, tuned=empty)
    assert operator.ref_or_none("tuned", registered.services) is None


def test_an_input_whose_task_left_nothing_names_that_task() -> None:
    with DAG("d"):
        built = BuildTrainingSetOperator(task_id="build", model=MODEL)
        operator = fit(built.output)
    operator.training_set = None
    with pytest.raises(InputError) as refused:
        operator.required("training_set")
    assert_says(refused.value, "'training_set' of fit is empty", "'build' left no result", "clear 'build'")


def test_all_results_of_a_mapped_task_are_no_single_input() -> None:
    with pytest.raises(InputError) as refused:
        fit([{}, {}]).read("training_set")  # type: ignore[arg-type]
    assert_says(refused.value, "a list of 2 results", "TrainModelOperator.partial(...).expand(training_set=...)")


@pytest.mark.parametrize("value", ["made of words", {"rollout": "x"}, "7", {"uri": "x"}])
def test_what_is_no_result_is_refused_with_what_was_seen(registered: Life, value: Any) -> None:
    with pytest.raises(InputError) as refused:
        fit(value).ref("training_set", registered.services)
    assert_says(refused.value, "'training_set' of fit is no result", "BuildTrainingSetOperator")


def test_a_result_of_another_step_is_refused(registered: Life, nursery: Nursery) -> None:
    with pytest.raises(InputError) as refused:
        fit(nursery.run().xcom["train"]).ref("training_set", registered.services)
    assert_says(refused.value, "of the step 'train', not of 'training_set'", "train/", "BuildTrainingSetOperator")


def test_a_result_of_another_model_is_refused(registered: Life) -> None:
    other = Life(registered.services, "kiosk").commit("training_set", {}, {})
    with pytest.raises(InputError) as refused:
        fit(other).ref("training_set", registered.services)
    assert_says(refused.value, "of the model 'kiosk', and the task is of 'shop'", "model='shop'")


def trained_on_another(run: Run) -> Any:
    return EvaluateModelOperator(task_id="it", model=MODEL, training_set=run.xcom["other"], trained=run.xcom["train"])


def tuned_on_another(run: Run) -> Any:
    return TrainModelOperator(task_id="it", model=MODEL, training_set=run.xcom["other"], tuned=run.xcom["tune"])


def evaluated_another(run: Run) -> Any:
    given = {"training_set": run.xcom["build_training_set"], "trained": run.xcom["other_train"]}
    return operators.RegisterModelOperator(task_id="it", model=MODEL, evaluation=run.xcom["evaluate"], **given)


@pytest.mark.parametrize("mix", [trained_on_another, tuned_on_another, evaluated_another])
def test_results_that_do_not_belong_together_are_refused(registered: Life, nursery: Nursery, mix: Callable[[Run], Any]) -> None:
    """Each is of the right step and model: only what it was made from tells that the figure would be of something else."""
    run, params = nursery.run(), {"as_of": "2013-01-04"}
    run.xcom["other"] = Run(params)(BuildTrainingSetOperator(task_id="b", model=MODEL))
    run.xcom["other_train"] = registered.commit("train", {"trained": "elsewhere"}, {})
    built = run.xcom["build_training_set"]
    if mix is tuned_on_another:
        run.xcom["tune"] = Run()(operators.TuneModelOperator(task_id="t", model=MODEL, training_set=built, enabled=True))
    with pytest.raises(InputError, match="do not belong together"):
        run(mix(run))
    assert [version["version"] for version in [run.xcom["register"]]] == [1]


def test_a_verdict_of_another_day_is_refused_and_its_own_day_is_taken(life: Life) -> None:
    verdict = life.commit("validate", {"day": "2013-01-02"}, {})
    run = Run({"day": "2013-01-01"})  # what the run says is not what the verdict is about
    publish = PublishFeaturesOperator(task_id="it", model=MODEL, verdict=verdict)
    assert run.request(publish, life.services).params["day"] == "2013-01-02"
    with pytest.raises(InputError) as refused:
        run(PublishFeaturesOperator(task_id="it", model=MODEL, verdict=verdict, day="2013-01-03"))
    assert_says(refused.value, "'verdict' of it is of 2013-01-02, and the task is to be of 2013-01-03")


def test_a_plan_and_a_moment_are_one_too_many() -> None:
    with pytest.raises(InputError, match="which of them is meant"):
        BuildTrainingSetOperator(task_id="it", model=MODEL, plan={"as_of": "2013-01-02"}, as_of="2013-01-03")
