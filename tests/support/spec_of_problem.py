"""The flights' spec, of any problem."""

from __future__ import annotations

from include.core.spec import ModelSpec
from include.models.flight_delay.spec import SPEC


def with_problem(problem: object, **sections: object) -> ModelSpec:
    """The flights' spec, of another problem; its sections as far as they are given."""
    values = SPEC.model_dump(exclude={"problem", "evaluation", "retraining", "rollout", *sections})
    return ModelSpec(**values, problem=problem, **sections)
