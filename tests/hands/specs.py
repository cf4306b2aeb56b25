"""The toy models: one for each kind of DAG, so that kinds are tried beside each other; several where a sample needs them."""

from __future__ import annotations

from datetime import date, timedelta

from include.core.spec import ModelSpec
from tests.unit.operators.models.shop.spec import SPEC as SHOP

PACKAGE = "tests.hands.models"
KINDS = ("features", "training", "rollout", "monitoring", "scoring")
MODELS = ("features_0", "training_0", "rollout_0", "rollout_1", "rollout_2", "monitoring_0", "scoring_0")


def kind_of(model: str) -> str:
    return model.rpartition("_")[0]


def dag_of(model: str) -> str:
    """The one DAG of the model that is tried."""
    return f"{model}_{kind_of(model)}"


def toy(name: str) -> ModelSpec:
    """The shop under another name. Its source goes on, and its clocks tick daily, so that there is something to backfill."""
    return SHOP.model_copy(
        update={
            "name": name,
            "data": SHOP.data.model_copy(update={"last": date(2013, 12, 31)}),
            "training": SHOP.training.model_copy(update={"schedule": "0 0 * * *"}),
            "monitoring": SHOP.monitoring.model_copy(update={"schedule": "0 0 * * *"}),
            "rollout": SHOP.rollout.model_copy(update={"deadline": timedelta(hours=1)}),
        }
    )
