"""The operators with their inputs from the tasks that the generated DAGs call so: for runs that are made by hand.

In a DAG an input is `built.output`; here it is `Earlier("build_training_set")`, which reads the run's XCom likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from operators import (
    approval,
    evaluation,
    experiment,
    features,
    monitoring,
    registry,
    rollout,
    rollout_end,
    sensors,
    staleness,
    training,
    unmanaged,
    validation,
)

Make = Callable[..., Any]


@dataclass(frozen=True)
class Earlier(ResolveMixin):
    """What the task of that id returned in this run."""

    task_id: str

    def iter_references(self) -> Iterable[tuple[Any, str]]:
        return []  # there is no DAG to draw an arrow in

    def resolve(self, context: Any) -> Any:
        return context["ti"].xcom_pull(task_ids=self.task_id)


def wired(kind: type[Any], **tasks: str) -> Make:
    """Makes such operators: each input is that task's, unless it is given."""

    def make(**given: Any) -> Any:
        inputs = {name: Earlier(task) for name, task in tasks.items() if name not in given}
        made = kind(**inputs, **given)
        made.given_by = {**made.given_by, **{name: (each.task_id,) for name, each in inputs.items()}}
        return made

    return make


PublishFeaturesOperator = wired(features.PublishFeaturesOperator, verdict="validate")
MaterializeFeaturesOperator = wired(features.MaterializeFeaturesOperator, features="publish")
FreshnessSensor = wired(sensors.FreshnessSensor, features="publish")
ListWithdrawnOperator = wired(features.ListWithdrawnOperator, plan="plan")
BuildTrainingSetOperator = wired(features.BuildTrainingSetOperator, plan="plan", withdrawn="withdrawn")
ValidateTrainingSetOperator = wired(validation.ValidateTrainingSetOperator, training_set="build_training_set")
TuneModelOperator = wired(training.TuneModelOperator, training_set="build_training_set")
TrainModelOperator = wired(training.TrainModelOperator, training_set="build_training_set", tuned="tune")
EvaluateModelOperator = wired(evaluation.EvaluateModelOperator, training_set="build_training_set", trained="train")
CheckGateOperator = wired(evaluation.CheckGateOperator, evaluation="evaluate")
RegisterModelOperator = wired(
    registry.RegisterModelOperator, training_set="build_training_set", trained="train", evaluation="evaluate", plan="plan"
)
ApprovalOperator = wired(approval.ApprovalOperator, rollout="open")
SmokeTestOperator = wired(rollout.SmokeTestOperator, rollout="open")
RolloutStageOperator = wired(rollout.RolloutStageOperator, rollout="open")
PromoteModelOperator = wired(rollout_end.PromoteModelOperator, rollout="open")
RollBackModelOperator = wired(rollout_end.RollBackModelOperator, rollout="open")
ConcludeRolloutOperator = wired(rollout_end.ConcludeRolloutOperator, rollout="open", promoted="promote")
LookAtExperimentOperator = wired(experiment.LookAtExperimentOperator, experiment="start")
ConcludeExperimentOperator = wired(experiment.ConcludeExperimentOperator, experiment="start", looked="look")
MonitorModelOperator = wired(monitoring.MonitorModelOperator, collected="collect", reference="reference")
DecideRetrainingOperator = wired(monitoring.DecideRetrainingOperator, monitored="monitor", probes="shadows")
TrainStalenessProbesOperator = wired(staleness.TrainStalenessProbesOperator, history="history")

# Of a model whose features come with each request.
CollectLabelledOperator = wired(monitoring.CollectPredictionsOperator, labels="labels")
GatherPastOperator = wired(unmanaged.GatherPastOperator, collected="collect")
ProfilePastOperator = wired(monitoring.ProfileReferenceOperator, past="past")
MonitorAgainstPastOperator = wired(monitoring.MonitorModelOperator, collected="collect", reference="reference", past="past")
