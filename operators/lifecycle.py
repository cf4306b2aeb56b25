"""The DAGs of a model, made from its spec with the same factories that an author uses. Parsing this imports no ML library."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from airflow.sdk import DAG, AssetOrTimeSchedule, CronDataIntervalTimetable, PartitionedAssetTimetable

from include.core.markdown import plain
from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from operators import lifecycle_docs as docs
from operators.alert import FailureNotifier
from operators.assets import candidate_asset, partition_asset, retrain_asset
from operators.defaults import PRIORITY
from operators.defaults import RETRIES as RETRIES
from operators.defaults import RETRYING as RETRYING
from operators.defaults import TIMEZONE as TIMEZONE
from operators.features_range import TakeInFeaturesOperator
from operators.groups.experiment import experiment_group
from operators.groups.features import features_group
from operators.groups.monitoring import monitoring_group
from operators.groups.rollout import rollout_group
from operators.groups.scoring import scoring_group
from operators.groups.training import training_group
from operators.params import AS_OF, DAY, EXPERIMENT, FRESH, FROM, OVERRIDE, RESOURCES, TO, TUNE, VERSION, of_cadence


def lifecycle_dags(spec: ModelSpec) -> list[DAG]:
    """Every DAG of one model: of one without sources of its own, those that need no features of ours."""
    if not spec.managed:
        makers = [rollout_dag, monitoring_dag]
    else:
        makers = [features_dag, features_range_dag, training_dag, rollout_dag, monitoring_dag, scoring_dag]
    return [make(spec) for make in (*makers, *([experiment_dag] if spec.experiments else []))]


def feature_set_dags(spec: FeatureSet) -> list[DAG]:
    """Every DAG of a feature set: its features, by the partition and by ranges of days."""
    return [features_dag(spec), features_range_dag(spec)]


def features_dag(spec: PartitionOwner) -> DAG:
    """One run a partition."""
    schedule = _schedule(spec, "features", spec.data.schedule)
    params = {"day": of_cadence(DAY, spec.data.cadence), "fresh": FRESH}
    doc = docs.FEATURES if isinstance(spec, ModelSpec) else docs.SHARED
    with _dag(spec, "features", schedule, params, doc, max_active_runs=8) as dag:
        features_group(spec, group_id=None)
    return dag


def features_range_dag(spec: PartitionOwner) -> DAG:
    """Many days as one task: by hand with `from` and `to`, or by a backfill, a run a month."""
    months = CronDataIntervalTimetable("0 0 1 * *", timezone=TIMEZONE)
    params = {"from": of_cadence(FROM, spec.data.cadence), "to": of_cadence(TO, spec.data.cadence), "fresh": FRESH}
    with _dag(spec, "features_range", months, params, docs.FEATURES_RANGE, max_active_runs=2) as dag:
        TakeInFeaturesOperator(task_id="take_in", model=spec.name, max_active_tis_per_dag=2)
    return dag


def training_dag(spec: ModelSpec) -> DAG:
    """By its cron floor, and when monitoring decides to retrain."""
    clock = CronDataIntervalTimetable(spec.training.schedule, timezone=TIMEZONE)
    schedule = AssetOrTimeSchedule(timetable=clock, assets=[retrain_asset(spec.name)])
    params = {"as_of": AS_OF, "tune": TUNE, "resources": RESOURCES, "fresh": FRESH}
    with _dag(spec, "training", schedule, params, docs.TRAINING, max_active_runs=2) as dag:
        training_group(spec, group_id=None)
    return dag


def rollout_dag(spec: ModelSpec) -> DAG:
    """A run for each candidate, one at a time."""
    with _dag(
        spec, "rollout", [candidate_asset(spec.name)], {"version": VERSION, "override": OVERRIDE}, docs.ROLLOUT, max_active_runs=1
    ) as dag:
        rollout_group(spec, group_id=None)
    return dag


def experiment_dag(spec: ModelSpec) -> DAG:
    """Every hour: a look is due a day after the last one, at the hour at which the experiment began."""
    schedule = CronDataIntervalTimetable("23 * * * *", timezone=TIMEZONE)
    params = {"experiment": EXPERIMENT, "version": VERSION}
    with _dag(spec, "experiment", schedule, params, docs.EXPERIMENT, max_active_runs=1) as dag:
        experiment_group(spec, group_id=None)
    return dag


def monitoring_dag(spec: ModelSpec) -> DAG:
    """A run for each window."""
    doc = docs.MONITORING if spec.managed else docs.UNMANAGED
    schedule = _schedule(spec, "monitoring", spec.monitoring.schedule)
    with _dag(spec, "monitoring", schedule, {"as_of": AS_OF, "fresh": FRESH}, doc, max_active_runs=1) as dag:
        monitoring_group(spec, group_id=None)
    return dag


def scoring_dag(spec: ModelSpec) -> DAG:
    """Batch predictions over a partition's entities, rerun-safe: of a day at night, of any other once it is online."""
    cadence = spec.data.cadence
    schedule: Any = PartitionedAssetTimetable(assets=partition_asset(spec.name))
    if cadence.is_daily:
        schedule = CronDataIntervalTimetable("0 3 * * *", timezone=TIMEZONE)
    params = {"day": of_cadence(DAY, cadence), "fresh": FRESH}
    with _dag(spec, "scoring", schedule, params, docs.SCORING, max_active_runs=2) as dag:
        scoring_group(spec, group_id=None)
    return dag


def _dag(spec: PartitionOwner, part: str, schedule: Any, params: dict[str, Any], doc: str, max_active_runs: int) -> DAG:
    return DAG(
        dag_id=f"{spec.name}_{part}",
        schedule=schedule,
        start_date=_start(spec),
        catchup=False,
        max_active_runs=max_active_runs,
        params=params,
        tags=["slipstream", spec.name, part, *(spec.tags if isinstance(spec, FeatureSet) else ())],
        description=f"{spec.description} [{part}]",
        doc_md=doc.format(name=spec.name, owner=plain(spec.owner), description=plain(spec.description)),
        default_args={
            "owner": spec.owner,
            "on_failure_callback": FailureNotifier(spec.name),
            "priority_weight": PRIORITY.get(part, 1),
            **RETRYING,
        },
        auto_register=False,  # the DAG files name what is theirs: dags/broken_models.py makes DAGs only to see whether it can
    )


def _start(spec: PartitionOwner) -> datetime:
    """Of a zone's days the first one begins before, or after, that of UTC."""
    return spec.data.earliest.start.replace(tzinfo=TIMEZONE)


def _schedule(spec: PartitionOwner, part: Literal["features", "monitoring"], cron: str) -> Any:
    """By the clock; and by what a spec's `triggers` watch for, too."""
    clock, asked = CronDataIntervalTimetable(cron, timezone=TIMEZONE), spec.triggers
    if not asked.landing and not (asked.queue and part == "monitoring"):
        return clock
    from operators.watchers import landed_asset, window_asset

    asset = window_asset(spec) if part == "monitoring" and isinstance(spec, ModelSpec) else landed_asset(spec)
    return AssetOrTimeSchedule(timetable=clock, assets=[asset])
