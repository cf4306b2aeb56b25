"""Where functions are that an earlier release named by an import string, in a stored request or in a deferred task's trigger.

Only loading goes by it (include/core/reference.py): a request keeps the string that its key was made of. New requests name the
present place.
"""

from __future__ import annotations

from typing import Final

MOVED: Final[dict[str, str]] = {
    "include.evaluation.again:run": "include.evaluation.measure_again_step:run",
    "include.evaluation.step:run": "include.evaluation.evaluate_step:run",
    "include.features.replay:run": "include.features.skew_step:run",
    "include.features.step:run": "include.features.features_step:run",
    "include.features.training_set:run": "include.features.training_set_step:run",
    "include.features.withdrawn:run": "include.features.withdrawn_step:run",
    "include.monitoring.collect:run": "include.monitoring.collect_step:run",
    "include.monitoring.shadow_step:run": "include.monitoring.shadows_step:run",
    "include.monitoring.step:run": "include.monitoring.monitor_step:run",
    "include.rollout.stage_evaluation:resumed": "include.rollout.after_verdict:resumed",
    "include.rollout.watch:look": "include.rollout.stage_evaluation:evaluate_stage",
    "include.rollout.watch:resumed": "include.rollout.after_verdict:resumed",
    "include.scoring.step:run": "include.scoring.score_step:run",
    "include.training.step:run": "include.training.train_step:run",
    "include.training.tune:run": "include.training.tune_step:run",
    "include.validation.step:run": "include.validation.validate_step:run",
    "include.validation.training_set:run": "include.validation.validate_training_set_step:run",
}


def present(reference: str) -> str:
    """The reference under which the function is found today."""
    return MOVED.get(reference, reference)
