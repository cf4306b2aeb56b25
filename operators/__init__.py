"""Airflow operators, sensors and TaskGroups of a model's life: what an author's own DAG is composed of (docs/authoring.md).

    from operators import features_group, training_group, TrainModelOperator

A name is imported when it is first asked for: a DAG file pays for what it uses, and nothing here is heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from operators.alert import FailureNotifier as FailureNotifier
    from operators.approval import ApprovalOperator as ApprovalOperator
    from operators.assets import candidate_asset as candidate_asset
    from operators.assets import partition_asset as partition_asset
    from operators.assets import retrain_asset as retrain_asset
    from operators.defaults import RETRIES as RETRIES
    from operators.defaults import RETRYING as RETRYING
    from operators.evaluation import CheckGateOperator as CheckGateOperator
    from operators.evaluation import EvaluateModelOperator as EvaluateModelOperator
    from operators.experiment import ConcludeExperimentOperator as ConcludeExperimentOperator
    from operators.experiment import LookAtExperimentOperator as LookAtExperimentOperator
    from operators.experiment import StartExperimentOperator as StartExperimentOperator
    from operators.feature_sets import FeatureSetsSensor as FeatureSetsSensor
    from operators.features import BuildTrainingSetOperator as BuildTrainingSetOperator
    from operators.features import ListWithdrawnOperator as ListWithdrawnOperator
    from operators.features import MaterializeFeaturesOperator as MaterializeFeaturesOperator
    from operators.features import PublishFeaturesOperator as PublishFeaturesOperator
    from operators.features_range import TakeInFeaturesOperator as TakeInFeaturesOperator
    from operators.groups.experiment import ExperimentGroup as ExperimentGroup
    from operators.groups.experiment import experiment_group as experiment_group
    from operators.groups.features import FeaturesGroup as FeaturesGroup
    from operators.groups.features import features_group as features_group
    from operators.groups.monitoring import MonitoringGroup as MonitoringGroup
    from operators.groups.monitoring import monitoring_group as monitoring_group
    from operators.groups.rollout import RolloutGroup as RolloutGroup
    from operators.groups.rollout import rollout_group as rollout_group
    from operators.groups.scoring import ScoringGroup as ScoringGroup
    from operators.groups.scoring import scoring_group as scoring_group
    from operators.groups.training import TrainingGroup as TrainingGroup
    from operators.groups.training import training_group as training_group
    from operators.landing import LandFromWarehouseOperator as LandFromWarehouseOperator
    from operators.landing import WarehouseSensor as WarehouseSensor
    from operators.monitoring import CheckSkewOperator as CheckSkewOperator
    from operators.monitoring import CollectPredictionsOperator as CollectPredictionsOperator
    from operators.monitoring import DecideRetrainingOperator as DecideRetrainingOperator
    from operators.monitoring import MonitorModelOperator as MonitorModelOperator
    from operators.monitoring import ProfileReferenceOperator as ProfileReferenceOperator
    from operators.monitoring import RotateLogOperator as RotateLogOperator
    from operators.params import AS_OF as AS_OF
    from operators.params import DAY as DAY
    from operators.params import EXPERIMENT as EXPERIMENT
    from operators.params import FRESH as FRESH
    from operators.params import FROM as FROM
    from operators.params import OVERRIDE as OVERRIDE
    from operators.params import TO as TO
    from operators.params import TUNE as TUNE
    from operators.params import VERSION as VERSION
    from operators.registry import RegisterModelOperator as RegisterModelOperator
    from operators.rollout import OpenRolloutOperator as OpenRolloutOperator
    from operators.rollout import RolloutStageOperator as RolloutStageOperator
    from operators.rollout import SmokeTestOperator as SmokeTestOperator
    from operators.rollout_end import ConcludeRolloutOperator as ConcludeRolloutOperator
    from operators.rollout_end import PromoteModelOperator as PromoteModelOperator
    from operators.rollout_end import RollBackModelOperator as RollBackModelOperator
    from operators.scoring import PublishScoresOperator as PublishScoresOperator
    from operators.scoring import ScoreBatchOperator as ScoreBatchOperator
    from operators.sensors import FreshnessSensor as FreshnessSensor
    from operators.sensors import PartitionSensor as PartitionSensor
    from operators.sensors import s3_partition_sensor as s3_partition_sensor
    from operators.staleness import BuildHistoryOperator as BuildHistoryOperator
    from operators.staleness import TrainStalenessProbesOperator as TrainStalenessProbesOperator
    from operators.training import ChooseFitOperator as ChooseFitOperator
    from operators.training import PlanTrainingOperator as PlanTrainingOperator
    from operators.training import TrainModelOperator as TrainModelOperator
    from operators.training import TuneModelOperator as TuneModelOperator
    from operators.unmanaged import CollectFeedbackOperator as CollectFeedbackOperator
    from operators.unmanaged import GatherPastOperator as GatherPastOperator
    from operators.validation import ValidateDataOperator as ValidateDataOperator
    from operators.validation import ValidateTrainingSetOperator as ValidateTrainingSetOperator

PUBLIC = {  # the names by the module they come from
    "operators.alert": "FailureNotifier",
    "operators.approval": "ApprovalOperator",
    "operators.assets": "candidate_asset partition_asset retrain_asset",
    "operators.defaults": "RETRIES RETRYING",
    "operators.evaluation": "CheckGateOperator EvaluateModelOperator",
    "operators.experiment": "ConcludeExperimentOperator LookAtExperimentOperator StartExperimentOperator",
    "operators.feature_sets": "FeatureSetsSensor",
    "operators.features": "BuildTrainingSetOperator ListWithdrawnOperator MaterializeFeaturesOperator PublishFeaturesOperator",
    "operators.features_range": "TakeInFeaturesOperator",
    "operators.groups.experiment": "ExperimentGroup experiment_group",
    "operators.groups.features": "FeaturesGroup features_group",
    "operators.groups.monitoring": "MonitoringGroup monitoring_group",
    "operators.groups.rollout": "RolloutGroup rollout_group",
    "operators.groups.scoring": "ScoringGroup scoring_group",
    "operators.groups.training": "TrainingGroup training_group",
    "operators.landing": "LandFromWarehouseOperator WarehouseSensor",
    "operators.monitoring": "CheckSkewOperator CollectPredictionsOperator DecideRetrainingOperator MonitorModelOperator "
    "ProfileReferenceOperator RotateLogOperator",
    "operators.params": "AS_OF DAY EXPERIMENT FRESH FROM OVERRIDE TO TUNE VERSION",
    "operators.registry": "RegisterModelOperator",
    "operators.rollout": "OpenRolloutOperator RolloutStageOperator SmokeTestOperator",
    "operators.rollout_end": "ConcludeRolloutOperator PromoteModelOperator RollBackModelOperator",
    "operators.scoring": "PublishScoresOperator ScoreBatchOperator",
    "operators.sensors": "FreshnessSensor PartitionSensor s3_partition_sensor",
    "operators.staleness": "BuildHistoryOperator TrainStalenessProbesOperator",
    "operators.training": "ChooseFitOperator PlanTrainingOperator TrainModelOperator TuneModelOperator",
    "operators.unmanaged": "CollectFeedbackOperator GatherPastOperator",
    "operators.validation": "ValidateDataOperator ValidateTrainingSetOperator",
}
_MODULES = {name: module for module, names in PUBLIC.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
