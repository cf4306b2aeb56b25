"""A version's way into production, and back."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import XComArg, chain

from include.core.spec import ModelSpec
from include.rollout.plan import rollout_stages
from operators.approval import ApprovalOperator
from operators.groups.group import TRAFFIC, Group, given, spec_of, task_group
from operators.inputs import Input
from operators.rollout import OpenRolloutOperator, RolloutStageOperator, SmokeTestOperator
from operators.rollout_end import ConcludeRolloutOperator, PromoteModelOperator, RollBackModelOperator
from operators.traffic import RolloutOperator


@dataclass(frozen=True)
class RolloutGroup(Group):
    """Each is what its task returns."""

    rollout: XComArg
    promoted: XComArg
    concluded: XComArg


def rollout_group(
    model: ModelSpec | str,
    *,
    group_id: str | None = "",
    version: Input | int = None,
    pool: str | None = TRAFFIC,
    queue: str | None = None,
) -> RolloutGroup:
    """open → smoke → shadow → canary steps → promote; whatever ends it → roll back unless promoted → conclude.

    Where the spec asks persons, `approve` stands before the stage that they let it on to.

    The last two are teardowns: a run that a person marks failed, or success, still gets them. Each follows every task that goes
    forward, so that a cleared one brings them with it. The run is green only if the version was promoted, or if there was
    nothing to roll out.

    :param model: its spec, or its name
    :param group_id: by default `<model>_rollout`; None for tasks that stand in the DAG itself
    :param version: what RegisterModelOperator returned (`learned.version`), or a number, templated; else the run's
    :param pool: of the stages; queue: of all its tasks

    **Example** ::

        with DAG("flights_weekly", schedule="@weekly"):
            learned = training_group("flight_delay", announce=False)
            rollout_group("flight_delay", version=learned.version)
    """
    spec, name, options = spec_of(model), spec_of(model).name, given(queue=queue)
    with task_group(spec, group_id, "rollout") as group:
        opened = OpenRolloutOperator(task_id="open", model=name, version=version, **options)
        rollout = opened.output
        smoke = SmokeTestOperator(task_id="smoke", model=name, rollout=rollout, **options)
        stages: list[RolloutOperator] = [
            RolloutStageOperator(task_id=stage.name, model=name, rollout=rollout, stage=stage.name, **options, **given(pool=pool))
            for stage in rollout_stages(spec)
            if stage.judged
        ]
        promote = PromoteModelOperator(task_id="promote", model=name, rollout=rollout, **options)
        back = RollBackModelOperator(task_id="roll_back", model=name, rollout=rollout, **options).as_teardown()
        conclude = ConcludeRolloutOperator(task_id="conclude", model=name, rollout=rollout, promoted=promote.output, **options)
        end = conclude.as_teardown(on_failure_fail_dagrun=True)
        if (gate := gate_in(spec)) is not None:
            stages.insert(gate, ApprovalOperator(task_id="approve", model=name, rollout=rollout, **options))
        forward = [opened, smoke, *stages, promote]
        chain(*forward)
        chain(forward, back, end)
        chain(forward, end)
        return RolloutGroup(group, rollout, promote.output, conclude.output)


def gate_in(spec: ModelSpec) -> int | None:
    """Which of the judged stages comes after persons were asked; None where the spec asks none. Of a model without a champion it
    may be an earlier one, which asks by itself."""
    asked = spec.rollout.persons_asked
    if asked is None:
        return None
    judged = [stage for stage in rollout_stages(spec) if stage.judged]
    return 0 if asked.before == "traffic" else [stage.weight for stage in judged].index(100)
