"""A window of a served model, judged; and the decision to train again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.sdk import TriggerRule, XComArg, chain

from include.core.spec import ModelSpec
from operators.groups.group import Group, given, spec_of, task_group
from operators.monitoring import (
    CheckSkewOperator,
    CollectPredictionsOperator,
    DecideRetrainingOperator,
    MonitorModelOperator,
    ProfileReferenceOperator,
    RotateLogOperator,
)
from operators.staleness import BuildHistoryOperator, TrainStalenessProbesOperator
from operators.unmanaged import CollectFeedbackOperator, GatherPastOperator


@dataclass(frozen=True)
class MonitoringGroup(Group):
    """Each is what its task returns."""

    collected: XComArg
    monitored: XComArg
    decision: XComArg


def monitoring_group(
    model: ModelSpec | str,
    *,
    group_id: str | None = "",
    as_of: datetime | str | None = None,
    pool: str | None = None,
    queue: str | None = None,
) -> MonitoringGroup:
    """collect, reference → monitor (quality, drift, performance, report) → decide; beside them skew, and rotate of the log.

    :param model: its spec, or its name
    :param group_id: by default `<model>_monitoring`; None for tasks that stand in the DAG itself
    :param as_of: the window's end (UTC), templated, or a mapped task group's argument; else the run's
    :param pool, queue: of all its tasks

    **Example** ::

        with DAG("watch", schedule="@daily"):
            monitoring_group("flight_delay")
            monitoring_group("late_departure")
    """
    spec, name, options = spec_of(model), spec_of(model).name, given(pool=pool, queue=queue)
    if not spec.managed:
        return _unmanaged(spec, group_id, as_of, options)
    with task_group(spec, group_id, "monitoring") as group:
        # On its own: a skew stops no decision, and fails the run.
        CheckSkewOperator(task_id="skew", model=name, as_of=as_of, **options)
        labels = None
        if "monitoring" in spec.serving.feedback:
            labels = CollectFeedbackOperator(task_id="labels", model=name, as_of=as_of, **options).output
        collect = CollectPredictionsOperator(task_id="collect", model=name, as_of=as_of, **given(labels=labels), **options)
        reference = ProfileReferenceOperator(task_id="reference", model=name, **options)
        monitor = MonitorModelOperator(
            task_id="monitor", model=name, collected=collect.output, reference=reference.output, **options
        )
        probes = None
        if spec.retraining.price is not None:  # what keeping the champion costs, beside what it may not cost
            history = BuildHistoryOperator(task_id="history", model=name, as_of=as_of, **options)
            probes = TrainStalenessProbesOperator(task_id="shadows", model=name, history=history.output, **options).output
        decide = DecideRetrainingOperator(
            task_id="decide", model=name, monitored=monitor.output, **given(probes=probes), **options
        )
        # Whatever came of reading the log. Not after skew: the run's fate is that of the tasks that nothing follows.
        chain(collect, RotateLogOperator(task_id="rotate", model=name, trigger_rule=TriggerRule.ALL_DONE, **options))
        return MonitoringGroup(group, collect.output, monitor.output, decide.output)


def _unmanaged(spec: ModelSpec, group_id: str | None, as_of: datetime | str | None, options: dict[str, Any]) -> MonitoringGroup:
    """labels → collect → past → reference → monitor → decide, of a model whose features come with each request.

    Labels are those that callers have sent, and the champion's past is what it was asked before.
    """
    name = spec.name
    with task_group(spec, group_id, "monitoring") as group:
        labels = CollectFeedbackOperator(task_id="labels", model=name, as_of=as_of, **options)
        collect = CollectPredictionsOperator(task_id="collect", model=name, as_of=as_of, labels=labels.output, **options)
        past = GatherPastOperator(task_id="past", model=name, collected=collect.output, **options)
        reference = ProfileReferenceOperator(task_id="reference", model=name, past=past.output, **options)
        monitor = MonitorModelOperator(
            task_id="monitor", model=name, collected=collect.output, reference=reference.output, past=past.output,
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,  # also in the first window, which has no past
            **options,
        )  # fmt: skip
        decide = DecideRetrainingOperator(task_id="decide", model=name, monitored=monitor.output, **options)
        chain(collect, RotateLogOperator(task_id="rotate", model=name, trigger_rule=TriggerRule.ALL_DONE, **options))
        return MonitoringGroup(group, collect.output, monitor.output, decide.output)
