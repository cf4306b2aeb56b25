"""From published features to a registered version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow.sdk import TriggerRule, XComArg, chain

from include.core.spec import ModelSpec
from operators.evaluation import CheckGateOperator, EvaluateModelOperator
from operators.features import BuildTrainingSetOperator, ListWithdrawnOperator
from operators.groups.group import Group, given, job_options, spec_of, task_group, wait_for_sets
from operators.registry import RegisterModelOperator
from operators.training import ChooseFitOperator, PlanTrainingOperator, TrainModelOperator, TuneModelOperator
from operators.unmanaged import CollectFeedbackOperator
from operators.validation import ValidateTrainingSetOperator


@dataclass(frozen=True)
class TrainingGroup(Group):
    """Each is what its task returns."""

    plan: XComArg
    training_set: XComArg
    trained: XComArg
    evaluation: XComArg
    gate: XComArg
    version: XComArg


def training_group(
    model: ModelSpec | str,
    *,
    group_id: str | None = "",
    as_of: datetime | str | None = None,
    tune: bool | None = None,
    announce: bool = True,
    where: Literal["process", "job"] = "job",
    pool: str | None = None,
    queue: str | None = None,
) -> TrainingGroup:
    """plan → (wait for feature sets) → training set → validate → (tune) → train → evaluate → gate → register.
    Where the spec asks for warm starts: train cold → train → choose in place of train.

    :param model: its spec, or its name
    :param group_id: by default `<model>_training`; None for tasks that stand in the DAG itself
    :param as_of: the moment (UTC), templated, or a mapped task group's argument; else the run's
    :param tune: whether to search the spec's grid; by default as the run's parameter `tune` says
    :param announce: whether a candidate's event starts the DAG `<model>_rollout`; False where this DAG rolls it out itself
    :param where: of tuning and training: "job" on the job backend, "process" in the task itself
    :param pool, queue: of tuning and training; by default as the spec's `training` says, else the pool `ray` for jobs

    **Example** ::

        with DAG("flights_weekly", schedule="@weekly"):
            learned = training_group("flight_delay", as_of="{{ data_interval_end }}", announce=False)
            rollout_group("flight_delay", version=learned.version)
    """
    spec, name = spec_of(model), spec_of(model).name
    with task_group(spec, group_id, "training") as group:
        planned = PlanTrainingOperator(task_id="plan", model=name, as_of=as_of)
        more = given(withdrawn=_list_withdrawn(spec, planned.output), feedback=_told(spec, planned.output))
        built = BuildTrainingSetOperator(task_id="build_training_set", model=name, plan=planned.output, **more)
        if spec.features.owners:
            chain(wait_for_sets(spec, plan=planned.output), built)
        training_set = built.output
        job = job_options(where, pool or spec.training.pool or None, queue or spec.training.queue or None)
        trained, cold = _fit(spec, training_set, tune, job)
        evaluated = EvaluateModelOperator(
            task_id="evaluate", model=name, training_set=training_set, trained=trained, **given(cold=cold)
        )
        gate = CheckGateOperator(task_id="gate", model=name, evaluation=evaluated.output)
        registered = RegisterModelOperator(
            task_id="register", model=name, training_set=training_set, trained=trained, evaluation=evaluated.output,
            plan=planned.output, announce=announce,
        )  # fmt: skip
        chain(gate, registered)
        made = (planned.output, training_set, trained, evaluated.output, gate.output, registered.output)
        return TrainingGroup(group, *made)


def _fit(spec: ModelSpec, training_set: XComArg, tune: bool | None, job: dict[str, Any]) -> tuple[XComArg, XComArg | None]:
    """validate → (tune) → train. The verdict comes first, whether the run tunes or not. Where fits begin warm the cold twin comes
    before, and the better of the two goes on: returns it, and the twin."""
    name = spec.name
    validated = ValidateTrainingSetOperator(task_id="validate_training_set", model=name, training_set=training_set)
    tuned = TuneModelOperator(task_id="tune", model=name, training_set=training_set, enabled=tune, **job)
    given_to = {"model": name, "training_set": training_set, "tuned": tuned.output, **job}
    rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    trained = TrainModelOperator(task_id="train", trigger_rule=rule, **given_to)
    chain(validated, [tuned, trained])
    if not spec.training.warm_start:
        return trained.output, None
    cold = TrainModelOperator(task_id="train_cold", cold=True, trigger_rule=rule, **given_to)
    chain(validated, cold, trained)  # without a champion both are one fit, which the second then finds
    chosen = ChooseFitOperator(task_id="choose", model=name, trained=trained.output, cold=cold.output)
    return chosen.output, cold.output


def _told(spec: ModelSpec, plan: XComArg) -> XComArg | None:
    if "training" not in spec.serving.feedback:
        return None
    return CollectFeedbackOperator(task_id="feedback", model=spec.name, plan=plan).output


def _list_withdrawn(spec: ModelSpec, plan: XComArg) -> XComArg | None:
    if not spec.training.without_withdrawn:
        return None
    return ListWithdrawnOperator(task_id="withdrawn", model=spec.name, plan=plan).output
