"""What a spec leaves out, by its kind of problem: a margin of .01 is one thing of an AUC and another of minutes."""

from __future__ import annotations

from typing import Any

from include.core.spec.evaluation import Evaluation
from include.core.spec.monitoring import Retraining
from include.core.spec.problem import AnyKind, Binary
from include.core.spec.rollout import Rollout


def left_out(problem: AnyKind, evaluation: Evaluation, retraining: Retraining, rollout: Rollout) -> dict[str, dict[str, Any]]:
    """The values that the spec did not set, by section and field; nothing of a binary problem."""
    if isinstance(problem, Binary):
        return {}
    wanted: dict[str, dict[str, Any]] = {
        "evaluation": {"metric": problem.DEFAULT_METRIC, "minimum": None},
        "retraining": {},
        "rollout": {},
    }
    margins = {
        "evaluation": (evaluation, ("margin", "slice_margin")),
        "retraining": (retraining, ("on_performance_drop",)),
        "rollout": (rollout, ("shadow_tolerance",)),
    }
    for section, (values, names) in margins.items():
        for name in names:
            default = type(values).model_fields[name].default
            wanted[section][name] = round(default * problem.unit_of_margins, 9)
    sections = {"evaluation": evaluation, "retraining": retraining, "rollout": rollout}
    return {
        section: {name: value for name, value in values.items() if name not in sections[section].model_fields_set}
        for section, values in wanted.items()
    }
