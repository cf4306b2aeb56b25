"""The DAGs of a model, made from its spec. Parsing this imports no ML library."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Literal

import pendulum
from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    chain,
)

from include.core.markdown import plain
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.rollout.plan import rollout_stages
from operators.alert import FailureNotifier
from operators.assets import candidate_asset, retrain_asset
from operators.evaluation import CheckGateOperator, EvaluateModelOperator
from operators.features import (
    BuildTrainingSetOperator,
    ListWithdrawnOperator,
    MaterializeFeaturesOperator,
    PublishFeaturesOperator,
)
from operators.monitoring import (
    CheckSkewOperator,
    CollectPredictionsOperator,
    DecideRetrainingOperator,
    MonitorModelOperator,
    ProfileReferenceOperator,
    RotateLogOperator,
)
from operators.registry import RegisterModelOperator
from operators.rollout import (
    ConcludeRolloutOperator,
    OpenRolloutOperator,
    PromoteModelOperator,
    RollBackModelOperator,
    RolloutStageOperator,
    SmokeTestOperator,
)
from operators.scoring import ScoreBatchOperator
from operators.sensors import FreshnessSensor, PartitionSensor, s3_partition_sensor
from operators.staleness import BuildHistoryOperator, TrainStalenessProbesOperator
from operators.training import PlanTrainingOperator, TrainModelOperator, TuneModelOperator
from operators.unmanaged import CollectFeedbackOperator, GatherPastOperator
from operators.validation import ValidateDataOperator, ValidateTrainingSetOperator

TIMEZONE = pendulum.timezone("UTC")  # Airflow serialises no other kind of time zone

RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception="include.core.errors.PermanentError", action=RetryAction.FAIL, reason="a retry cannot help"),
        RetryRule(
            exception="include.core.errors.TransientError",
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=20),
            reason="may pass by itself",
        ),
    ]
)

# A killed process leaves no error to classify: its task follows the plain delay, and a retry adopts what it had begun.
RETRYING: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=3), "retry_policy": RETRIES}

FRESH = Param(
    False,
    type="boolean",
    title="Compute afresh",
    description="Ignore earlier results of the same inputs and compute them once more for this run. Older results are kept.",
)
DAY = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Day",
    description="The day (UTC) this run is about. Empty: the day of its data interval.",
)
AS_OF = Param(
    None,
    type=["null", "string"],
    title="As of",
    description="Pretend it is this moment (UTC, such as 2013-04-01): nothing known later is used. "
    "Empty: the triggering event's, else the end of the data interval, else the newest published day.",
)


def lifecycle_dags(spec: ModelSpec) -> list[DAG]:
    """Every DAG of one model: of one without sources of its own, those that need no features of ours."""
    if not spec.managed:
        return [make(spec) for make in (rollout_dag, unmanaged_monitoring_dag)]
    return [make(spec) for make in (features_dag, training_dag, rollout_dag, monitoring_dag, scoring_dag)]


def features_dag(spec: ModelSpec) -> DAG:
    """wait for the partition → validate → publish → materialize → (fresh), one run a day."""
    schedule = _schedule(spec, "features", spec.data.schedule)
    with _dag(spec, "features", schedule, {"day": DAY, "fresh": FRESH}, _FEATURES_DOC, max_active_runs=8) as dag:
        chain(
            _partition_sensor(spec),
            ValidateDataOperator(task_id="validate", model=spec.name),
            PublishFeaturesOperator(task_id="publish", model=spec.name),
            online := MaterializeFeaturesOperator(task_id="materialize", model=spec.name),
        )
        if any(view.freshness for view in spec.features.views):
            chain(online, FreshnessSensor(task_id="fresh", model=spec.name, timeout=timedelta(hours=1).total_seconds()))
    return dag


def training_dag(spec: ModelSpec) -> DAG:
    """plan → training set → validate → (tune) → train → evaluate → gate → register."""
    schedule = AssetOrTimeSchedule(
        timetable=CronDataIntervalTimetable(spec.training.schedule, timezone=TIMEZONE), assets=[retrain_asset(spec.name)]
    )
    tune = Param(False, type="boolean", title="Tune", description="Search the spec's grid of parameters before training.")
    with _dag(
        spec, "training", schedule, {"as_of": AS_OF, "tune": tune, "fresh": FRESH}, _TRAINING_DOC, max_active_runs=2
    ) as dag:
        listed = [ListWithdrawnOperator(task_id="withdrawn", model=spec.name)] if spec.training.without_withdrawn else []
        validated = ValidateTrainingSetOperator(task_id="validate_training_set", model=spec.name)
        tuned = TuneModelOperator(task_id="tune", model=spec.name, where="job", pool="ray")
        trained = TrainModelOperator(
            task_id="train", model=spec.name, where="job", pool="ray", trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        )
        chain(
            PlanTrainingOperator(task_id="plan", model=spec.name),
            *listed,
            BuildTrainingSetOperator(task_id="build_training_set", model=spec.name),
            validated,
            tuned,
            trained,
            EvaluateModelOperator(task_id="evaluate", model=spec.name),
            CheckGateOperator(task_id="gate", model=spec.name),
            RegisterModelOperator(task_id="register", model=spec.name),
        )
        chain(validated, trained)
    return dag


def rollout_dag(spec: ModelSpec) -> DAG:
    """open → smoke → shadow → canary steps → promote; whatever ends it → roll back unless promoted → conclude."""
    version = Param(
        None,
        type=["null", "integer"],
        title="Version",
        description="The registered version to roll out; a run triggered by hand must name it (an Archived one is "
        "offered again, if its gate is open). An event brings its own.",
    )
    with _dag(spec, "rollout", [candidate_asset(spec.name)], {"version": version}, _ROLLOUT_DOC, max_active_runs=1) as dag:
        stages = [
            RolloutStageOperator(task_id=stage.name, model=spec.name, stage=stage.name, pool="gateway")
            for stage in rollout_stages(spec)
            if stage.judged
        ]
        forward = [
            OpenRolloutOperator(task_id="open", model=spec.name),
            SmokeTestOperator(task_id="smoke", model=spec.name),
            *stages,
            PromoteModelOperator(task_id="promote", model=spec.name),
        ]
        # Teardowns: a run that a person marks failed, or success, still gets them. Each follows every task that goes forward, so
        # that a cleared one brings them with it. The run's state is that of `promote` and of `conclude`.
        back = RollBackModelOperator(task_id="roll_back", model=spec.name).as_teardown()
        end = ConcludeRolloutOperator(task_id="conclude", model=spec.name).as_teardown(on_failure_fail_dagrun=True)
        chain(*forward)
        chain(forward, back, end)
        chain(forward, end)
    return dag


def monitoring_dag(spec: ModelSpec) -> DAG:
    """collect, reference → monitor (quality, drift, performance, report) → decide; beside them skew, and rotate of the log."""
    schedule = _schedule(spec, "monitoring", spec.monitoring.schedule)
    with _dag(spec, "monitoring", schedule, {"as_of": AS_OF, "fresh": FRESH}, _MONITORING_DOC, max_active_runs=1) as dag:
        CheckSkewOperator(task_id="skew", model=spec.name)  # on its own: a skew stops no decision, and fails the run
        collect = CollectPredictionsOperator(task_id="collect", model=spec.name)
        chain(
            [collect, ProfileReferenceOperator(task_id="reference", model=spec.name)],
            MonitorModelOperator(task_id="monitor", model=spec.name),
            decide := DecideRetrainingOperator(task_id="decide", model=spec.name),
        )
        if spec.retraining.price is not None:  # what keeping the champion costs, beside what it may not cost
            staleness = TrainStalenessProbesOperator(task_id="shadows", model=spec.name)
            chain(BuildHistoryOperator(task_id="history", model=spec.name), staleness, decide)
        # Whatever came of reading the log. Not after skew: the run's fate is that of the tasks that nothing follows.
        chain(collect, RotateLogOperator(task_id="rotate", model=spec.name, trigger_rule=TriggerRule.ALL_DONE))
    return dag


def unmanaged_monitoring_dag(spec: ModelSpec) -> DAG:
    """labels → collect → reference → monitor → decide; rotate beside them: of a model whose features come with each request.

    Labels are those that callers have sent, and the champion's past is what it was asked before.
    """
    schedule = _schedule(spec, "monitoring", spec.monitoring.schedule)
    with _dag(spec, "monitoring", schedule, {"as_of": AS_OF, "fresh": FRESH}, _UNMANAGED_DOC, max_active_runs=1) as dag:
        chain(
            CollectFeedbackOperator(task_id="labels", model=spec.name),
            collect := CollectPredictionsOperator(task_id="collect", model=spec.name),
            GatherPastOperator(task_id="past", model=spec.name),
            ProfileReferenceOperator(task_id="reference", model=spec.name),
            # Also in the first window, which has no past.
            monitor := MonitorModelOperator(
                task_id="monitor", model=spec.name, trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
            ),
            DecideRetrainingOperator(task_id="decide", model=spec.name),
        )
        chain(collect, monitor)
        chain(collect, RotateLogOperator(task_id="rotate", model=spec.name, trigger_rule=TriggerRule.ALL_DONE))
    return dag


def scoring_dag(spec: ModelSpec) -> DAG:
    """Nightly batch predictions over the day's entities, partitioned and rerun-safe."""
    schedule = CronDataIntervalTimetable("0 3 * * *", timezone=TIMEZONE)
    with _dag(spec, "scoring", schedule, {"day": DAY, "fresh": FRESH}, _SCORING_DOC, max_active_runs=2) as dag:
        ScoreBatchOperator(task_id="score", model=spec.name, where="job", pool="ray")
    return dag


def _dag(spec: ModelSpec, part: str, schedule: Any, params: dict[str, Any], doc: str, max_active_runs: int) -> DAG:
    return DAG(
        dag_id=f"{spec.name}_{part}",
        schedule=schedule,
        start_date=datetime.combine(spec.data.first, time(), tzinfo=TIMEZONE),
        catchup=False,
        max_active_runs=max_active_runs,
        params=params,
        tags=["slipstream", spec.name, part],
        description=f"{spec.description} [{part}]",
        doc_md=doc.format(name=spec.name, owner=plain(spec.owner), description=plain(spec.description)),
        default_args={"owner": spec.owner, "on_failure_callback": FailureNotifier(spec.name), **RETRYING},
        auto_register=False,  # the DAG files name what is theirs: dags/broken_models.py makes DAGs only to see whether it can
    )


def _schedule(spec: ModelSpec, part: Literal["features", "monitoring"], cron: str) -> Any:
    """By the clock; and by what a spec's `triggers` watch for, too."""
    clock, asked = CronDataIntervalTimetable(cron, timezone=TIMEZONE), spec.triggers
    if not asked.landing and not (asked.queue and part == "monitoring"):
        return clock
    from operators.watchers import landed_asset, window_asset

    asset = landed_asset(spec) if part == "features" else window_asset(spec)
    return AssetOrTimeSchedule(timetable=clock, assets=[asset])


def _partition_sensor(spec: ModelSpec) -> Any:
    make = s3_partition_sensor if Settings.from_env().root.startswith("s3://") else PartitionSensor
    return make(model=spec.name, task_id="wait_for_partition", timeout=timedelta(days=1).total_seconds())


_FEATURES_DOC = """### {name}: features
{description} Owner: {owner}.

Waits for the day's raw partitions, validates them (bad rows go to quarantine with their reason, a failed batch stops here),
publishes the offline feature partition in one transaction and brings its newest values online.

**Safe to do at any time**: retry, clear, backfill, two runs of one day. Equal inputs give the result that is already there; a
corrected partition is computed anew and replaces the published one; online values never go back in time.
"""
_TRAINING_DOC = """### {name}: training
{description} Owner: {owner}.

Builds a point-in-time training set as of a moment, trains on the job backend, evaluates on a fixed holdout against the champion
and the baselines, and registers the version. An open gate sends it to rollout.

Runs on a retraining decision, on its schedule (skipped when there is nothing new to learn), by hand, or as a **backfill: a
walk-forward backtest** that registers versions and never deploys them.
"""
_ROLLOUT_DOC = """### {name}: rollout
{description} Owner: {owner}.

Smoke test on the real server, shadow, then the steps of the spec, each judged by a test that is valid however often one looks.
Whatever ends a run before its promotion rolls back: a failure, the judge, a run marked failed or success by hand. Clearing a task
resumes at its stage with the evidence collected so far.

**A run is green** only if its version was promoted; skipped throughout if no version waited for its turn; else it is **red**.
`slipstream rollback {name}` works with Airflow down.
"""
_MONITORING_DOC = """### {name}: monitoring
{description} Owner: {owner}.

Collects the prediction log and the labels that have arrived, judges data quality, drift and performance, and decides whether to
retrain. The decision is a row with its evidence; deciding once more returns the same row.

`skew` replays logged requests through the offline path and fails if serving and training compute a value differently.
"""
_UNMANAGED_DOC = """### {name}: monitoring
{description} Owner: {owner}.

Collects the prediction log and the labels that callers have sent (`POST /feedback/{name}`), and judges data quality, drift and
performance against what the champion was asked before. Nothing is trained here: a reason to retrain is said, and starts nothing.
"""
_SCORING_DOC = """### {name}: batch scoring
{description} Owner: {owner}.

Scores every entity of the day with the version in production and writes one immutable partition.
"""
