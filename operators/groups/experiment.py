"""An experiment: started, looked at, ended."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import XComArg, chain

from include.core.spec import ModelSpec
from operators.experiment import ConcludeExperimentOperator, LookAtExperimentOperator, StartExperimentOperator
from operators.groups.group import Group, given, spec_of, task_group


@dataclass(frozen=True)
class ExperimentGroup(Group):
    """Each is what its task returns."""

    experiment: XComArg
    looked: XComArg
    concluded: XComArg


def experiment_group(
    model: ModelSpec | str,
    *,
    group_id: str | None = "",
    name: str | None = None,
    version: int | str | None = None,
    queue: str | None = None,
) -> ExperimentGroup:
    """start → look → conclude: to be run often, for each run goes on with the live experiment and does what is due.

    Conclude runs even where no look was due: the one before may have been killed after its look.

    :param model: its spec, or its name
    :param group_id: by default `<model>_experiment`; None for tasks that stand in the DAG itself
    :param name: of the experiment to start, else the run's parameter `experiment`; version: the version to try, else the spec's
    :param queue: of all its tasks

    **Example** ::

        with DAG("pricing_test", schedule="@hourly"):
            experiment_group("flight_delay")
    """
    spec, options = spec_of(model), given(queue=queue)
    with task_group(spec, group_id, "experiment") as group:
        start = StartExperimentOperator(task_id="start", model=spec.name, name=name, version=version, **options)
        look = LookAtExperimentOperator(task_id="look", model=spec.name, experiment=start.output, **options)
        end = ConcludeExperimentOperator(
            task_id="conclude",
            model=spec.name,
            experiment=start.output,
            looked=look.output,
            trigger_rule="none_failed",
            **options,
        )
        chain(start, look, end)
        return ExperimentGroup(group, start.output, look.output, end.output)
