"""The machines of a run: what the spec asks for, with what the run's parameter `resources` puts in its place."""

from __future__ import annotations

from airflow.sdk import Context

from include.core.spec import ModelSpec
from include.services.services import Services


def spec_of_run(context: Context, services: Services, model: str) -> ModelSpec:
    """The model's spec as this run trains by it. Raises SpecError for a wrong parameter."""
    from include.training.run_resources import overridden

    return overridden(services.spec(model), context["params"].get("resources"))
