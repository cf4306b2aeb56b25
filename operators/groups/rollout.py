"""A version's way into production, and back."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import XComArg, chain

from include.core.spec import ModelSpec
from include.rollout.plan import rollout_stages
from operators.groups.group import TRAFFIC, Group, given, spec_of, task_group
from operators.inputs import Input
from operators.rollout import OpenRolloutOperator, RolloutStageOperator, SmokeTestOperator
from operators.rollout_end import ConcludeRolloutOperator, PromoteModelOperator, RollBackModelOperator


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
        stages = [
            RolloutStageOperator(task_id=stage.name, model=name, rollout=rollout, stage=stage.name, **options, **given(pool=pool))
            for stage in rollout_stages(spec)
            if stage.judged
        ]
        promote = PromoteModelOperator(task_id="promote", model=name, rollout=rollout, **options)
        back = RollBackModelOperator(task_id="roll_back", model=name, rollout=rollout, **options).as_teardown()
        conclude = ConcludeRolloutOperator(task_id="conclude", model=name, rollout=rollout, promoted=promote.output, **options)
        end = conclude.as_teardown(on_failure_fail_dagrun=True)
        forward = [opened, smoke, *stages, promote]
        chain(*forward)
        chain(forward, back, end)
        chain(forward, end)
        return RolloutGroup(group, rollout, promote.output, conclude.output)
