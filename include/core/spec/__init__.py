"""ModelSpec: everything Slipstream knows of a model, on one screen, typed and frozen.

A spec names its code by string, so reading one imports no library. Times of day are UTC. An unknown
field, a wrong type or an impossible value is refused with the field, the value and what is allowed.
docs/reference/spec.md lists every field; it is made from the docstrings below the fields.
"""

from __future__ import annotations

from include.core.spec.approval import Approval
from include.core.spec.base import Cron, DailyCron, Frozen, Name, OptionalReference, Reference
from include.core.spec.cost import Cost
from include.core.spec.data import Data, Retention, VersionsKept
from include.core.spec.dtypes import Dtype
from include.core.spec.evaluation import Evaluation, Robustness
from include.core.spec.experiments import Experiment, Guardrail, Metric
from include.core.spec.explanations import Explain, Explanations
from include.core.spec.fairness import Attribute, Fairness, Limit
from include.core.spec.feature_set import FeatureSet
from include.core.spec.features import Feature, Features, View
from include.core.spec.model import ModelSpec
from include.core.spec.monitoring import Monitoring, Retraining
from include.core.spec.privacy import MembershipCheck, PrivateTraining
from include.core.spec.problem import AnyKind, Binary, Costs, MultiClass, Problem, Ranking, Regression, problem_from
from include.core.spec.rollout import BusinessMetric, Rollout
from include.core.spec.scoring import Scoring
from include.core.spec.search import Choice, Float, Integer, Search
from include.core.spec.serving import Endpoint, Objectives, Serving, Triggers
from include.core.spec.streams import Column, EventSource, FinishedView, Streams
from include.core.spec.training import Training
from include.core.spec.warehouse import Athena, EmrServerless, Redshift, Warehouse
from include.core.spec.workers import Workers

PartitionOwner = ModelSpec | FeatureSet  # whoever has raw partitions, published days and rows online under its name

__all__ = [
    "AnyKind",
    "Approval",
    "Athena",
    "Attribute",
    "Binary",
    "BusinessMetric",
    "Choice",
    "Column",
    "Cost",
    "Costs",
    "Cron",
    "DailyCron",
    "Data",
    "Dtype",
    "EmrServerless",
    "Endpoint",
    "Evaluation",
    "EventSource",
    "Experiment",
    "Explain",
    "Explanations",
    "Fairness",
    "Feature",
    "FeatureSet",
    "Features",
    "FinishedView",
    "Float",
    "Frozen",
    "Guardrail",
    "Integer",
    "Limit",
    "MembershipCheck",
    "Metric",
    "ModelSpec",
    "Monitoring",
    "MultiClass",
    "Name",
    "Objectives",
    "OptionalReference",
    "PartitionOwner",
    "PrivateTraining",
    "Problem",
    "Ranking",
    "Redshift",
    "Reference",
    "Regression",
    "Retention",
    "Retraining",
    "Robustness",
    "Rollout",
    "Scoring",
    "Search",
    "Serving",
    "Streams",
    "Training",
    "Triggers",
    "VersionsKept",
    "View",
    "Warehouse",
    "Workers",
    "problem_from",
]
