"""A day's batch of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from airflow.sdk import XComArg, chain

from include.core.spec import ModelSpec
from operators.groups.group import Group, job_options, spec_of, task_group, wait_for_sets
from operators.scoring import PublishScoresOperator, ScoreBatchOperator


@dataclass(frozen=True)
class ScoringGroup(Group):
    scores: XComArg
    """What its first task returns: a reference to the day's scores."""

    table: XComArg
    """What its second returns: the `path` of the partition's file below the storage root, its `version` and `rows`."""


def scoring_group(
    model: ModelSpec | str,
    *,
    group_id: str | None = "",
    day: date | str | None = None,
    where: Literal["process", "job"] = "job",
    pool: str | None = None,
    queue: str | None = None,
) -> ScoringGroup:
    """Two tasks: the day's entities, scored with the version in production, and their partition's file in the table of scores;
    after a wait for the feature sets that the model reads.

    :param model: its spec, or its name
    :param group_id: by default `<model>_scoring`; None for a task that stands in the DAG itself
    :param day: the day (UTC), templated, or a mapped task group's argument; else the run's
    :param where: "job" on the job backend, "process" in the task itself
    :param pool, queue: by default the pool `ray` for jobs

    **Example** ::

        scored = scoring_group("flight_delay", day="{{ ds }}")
        scored.table >> refresh_the_report
    """
    spec = spec_of(model)
    with task_group(spec, group_id, "scoring") as group:
        score = ScoreBatchOperator(task_id="score", model=spec.name, day=day, **job_options(where, pool, queue))
        publish = PublishScoresOperator(task_id="publish", model=spec.name, scores=score.output)
        if spec.features.owners:
            chain(wait_for_sets(spec, day=day), score)
        return ScoringGroup(group, score.output, publish.output)
