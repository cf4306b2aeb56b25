"""An author's own DAG: public names, factories under any id and several times, mapped, with the DAG's own defaults."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

import operators
from include.core.catalog import load_spec
from include.core.errors import GateClosed, InputError
from include.core.spec import ModelSpec
from operators import features_group, monitoring_group, rollout_group, scoring_group, training_group
from operators.lifecycle import lifecycle_dags
from tests.support.operator_runs import MODEL, Life, Run

SPEC = load_spec("shop", "tests.unit.operators.models")
PRICED = SPEC.model_copy(update={"retraining": SPEC.retraining.model_copy(update={"price": 5.0})})
ROOT = Path(operators.__file__).parent
TASKS = {
    features_group: ["wait_for_partition", "validate", "publish", "materialize"],
    training_group: ["plan", "build_training_set", "validate_training_set", "tune", "train", "evaluate", "gate", "register"],
    rollout_group: ["open", "smoke", "shadow", "canary_50", "full_100", "promote", "roll_back", "conclude"],
    monitoring_group: ["skew", "collect", "reference", "monitor", "decide", "rotate"],
    scoring_group: ["score", "publish"],
}  # fmt: skip
FACTORIES: list[Callable[..., Any]] = list(TASKS)


def dag(**options: Any) -> DAG:
    return DAG("own", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=UTC), **options)


def serialised(made: DAG) -> str:
    return json.dumps(DagSerialization.to_dict(made), default=str)


def test_every_public_name_is_there_and_known_to_editors() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {(node.module, alias.name) for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {(module, name) for module, names in operators.PUBLIC.items() for name in names.split()}
    assert all(getattr(operators, name) is not None for name in dir(operators))
    with pytest.raises(AttributeError, match="Nothing"):
        getattr(operators, "Nothing")  # noqa: B009 - as an import would ask


def test_no_task_is_found_by_a_literal_id() -> None:
    found = [path.name for path in ROOT.rglob("*.py") if re.search(r"task_ids=\[?[\"']|xcom_pull\([\"']", path.read_text())]
    assert found == []


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_generated_dag_has_the_tasks_of_its_factory_under_their_plain_names(factory: Callable[..., Any]) -> None:
    part = factory.__name__.removesuffix("_group")
    made = next(each for each in lifecycle_dags(SPEC) if each.dag_id == f"shop_{part}")
    assert sorted(made.task_ids) == sorted(TASKS[factory])


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_factory_works_several_times_in_one_dag_under_any_id(factory: Callable[..., Any]) -> None:
    other = SPEC.model_copy(update={"name": "kiosk"})
    part = factory.__name__.removesuffix("_group")
    with dag() as made:
        first, second = factory(SPEC), factory(other)
        third = factory(SPEC, group_id="again")
        first >> second >> third
    groups = ("shop_" + part, "kiosk_" + part, "again")
    assert sorted(made.task_ids) == sorted(f"{group}.{name}" for group in groups for name in TASKS[factory])
    for each in made.tasks:
        assert {name.partition(".")[0] for name in each.upstream_task_ids} <= {each.task_id.partition(".")[0], *groups[:2]}
    assert {each.model for each in made.tasks if each.task_id.startswith("kiosk_")} == {"kiosk"}
    serialised(made)


def test_the_probes_of_a_priced_model_come_before_its_decision() -> None:
    with dag() as made:
        monitoring_group(PRICED, group_id="watch")
    assert made.get_task("watch.decide").upstream_task_ids == {"watch.monitor", "watch.shadows"}
    assert made.get_task("watch.shadows").upstream_task_ids == {"watch.history"}


@pytest.mark.parametrize("factory", [features_group, training_group, monitoring_group, scoring_group])
def test_a_factory_may_be_mapped(factory: Callable[..., Any]) -> None:
    about = "day" if factory in (features_group, scoring_group) else "as_of"

    @task_group(group_id="each")
    def one(when: str) -> None:
        factory(SPEC, group_id="part", **{about: when})

    with dag() as made:
        one.expand(when=["2013-01-02", "2013-01-03"])
    assert sorted(made.task_ids) == sorted(f"each.part.{name}" for name in TASKS[factory])
    serialised(made)


def test_groups_pass_on_what_the_next_one_takes() -> None:
    with dag() as made:
        learned = training_group(SPEC, group_id="learn", announce=False)
        rollout_group(SPEC, group_id="release", version=learned.version)
    assert made.get_task("release.open").upstream_task_ids == {"learn.register"}
    assert made.get_task("learn.register").announce is False
    assert {each.task_id for each in made.tasks if each.is_teardown} == {"release.roll_back", "release.conclude"}


def test_an_arrow_to_tasks_without_a_group_of_their_own_is_refused() -> None:
    with dag(), pytest.raises(InputError, match="no group of its own"):
        scoring_group(SPEC, group_id=None) >> scoring_group(SPEC)


def test_the_dags_own_defaults_come_first_and_ours_are_there_without() -> None:
    with dag(default_args={"retries": 7, "owner": "me", "on_failure_callback": None}) as theirs:
        training_group(SPEC, group_id="learn", where="process", queue="big")
    told = theirs.get_task("learn.train")
    assert (told.retries, told.owner, told.on_failure_callback, told.queue, told.pool) == (7, "me", [], "big", "default_pool")
    with dag() as ours:
        training_group(SPEC, group_id="learn", pool="gpus")
        operators.ValidateDataOperator.partial(task_id="check", model=MODEL).expand(day=["2013-01-02"])
    usual = ours.get_task("learn.train")
    assert (usual.retries, usual.retry_delay, usual.owner, usual.pool) == (3, timedelta(seconds=3), SPEC.owner, "gpus")
    assert len(usual.on_failure_callback) == 1
    mapped = ours.get_task("check")
    assert (mapped.retries, mapped.retry_delay, mapped.retry_policy) == (3, timedelta(seconds=3), operators.RETRIES)


def test_a_model_may_be_given_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_MODELS", "tests.unit.operators.models")
    with dag() as made:
        scoring_group("shop", group_id="batch", where="process")
    assert made.get_task("batch.score").where == "process"


def test_an_alias_of_ours_stands_beside_the_authors_outlets() -> None:
    with dag():
        given = {"training_set": {}, "trained": {}, "evaluation": {}, "outlets": [operators.candidate_asset("x")]}
        register = operators.RegisterModelOperator(task_id="r", model=MODEL, **given)
    assert [each.name for each in register.outlets] == ["x_candidate", "shop_registered"]


# -- what a rollout group does where there is nothing to roll out ------------------------------------------


def opener(version: Any = None, **run: Any) -> tuple[Run, Any]:
    return Run(**run), operators.OpenRolloutOperator(task_id="open", model=MODEL, version=version)


@pytest.mark.parametrize(
    ("version", "run", "words"),
    [
        ({"version": 3, "stage": "Staging"}, {}, "Version 3 of shop is no candidate"),
        ({"version": 3, "stage": "Candidate"}, {"run_type": "backfill"}, "A backfill deploys nothing"),
    ],
)
def test_a_version_that_may_not_be_rolled_out_is_skipped(life: Life, version: Any, run: dict[str, Any], words: str) -> None:
    made, operator = opener(version, **run)
    with pytest.raises(AirflowSkipException, match=words):
        made(operator)
    assert words in made.xcom["open/nothing_to_do"]


@pytest.mark.parametrize(("given", "seen"), [(7, 7), ("7", 7), (" 7 ", 7), ("None", None), (None, None), ("", None)])
def test_a_version_may_be_given_by_its_number(given: Any, seen: int | None) -> None:
    assert opener(given)[1].named_version() == seen


@pytest.mark.parametrize(
    ("state", "run_state", "error"),
    [("skipped", "running", AirflowSkipException), ("skipped", "failed", GateClosed), ("upstream_failed", "running", GateClosed)],
)
def test_the_end_of_a_rollout_that_was_skipped_with_what_comes_before_is_skipped(
    life: Life, state: str, run_state: str, error: type[Exception]
) -> None:
    """A failure before it, or a person's mark, gets no green end."""
    with dag() as made:

        @task
        def nothing_new() -> dict[str, Any]:
            return {}

        rollout_group(SPEC, group_id="release", version=nothing_new())
    conclude, run = made.get_task("release.conclude"), Run()
    context = run.context("release.conclude") | {"dag": made}
    context["dag_run"].state = run_state
    context["ti"].get_task_states = lambda **asked: {asked["run_ids"][0]: {asked["task_ids"][0]: state}}
    copy = conclude.prepare_for_execution()
    copy.rollout = copy.promoted = None
    with pytest.raises(error):
        copy.execute(context)


def test_a_rollout_of_another_model_is_refused(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.rollout.history.read_rollout", lambda *given: SimpleNamespace(model="kiosk", id="r"))
    smoke = operators.SmokeTestOperator(task_id="smoke", model=MODEL, rollout={"rollout": "r"})
    with pytest.raises(InputError, match="of the model 'kiosk', the task of 'shop'"):
        smoke.driven(life.services)
    with pytest.raises(InputError, match="names no rollout"):
        operators.SmokeTestOperator(task_id="smoke", model=MODEL, rollout={"version": 1}).driven(life.services)


def test_specs_are_models_of_the_settings_own_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_MODELS", "tests.unit.operators.models")
    from operators.groups.group import spec_of

    assert isinstance(spec_of("shop"), ModelSpec)
    assert spec_of(PRICED) is PRICED
