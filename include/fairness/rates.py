"""The figures of one group, and which of them each measure compares: one table, for evaluation, monitoring and pages.

They equal Fairlearn's of the same names (a test holds them to it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from include.fairness.decisions import Decisions
from include.fairness.estimate import Clusters, Estimate, mean, widening
from include.fairness.gap import Estimates
from include.fairness.groups import Group
from include.metrics.arrays import Bools, Floats
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth

ENOUGH = 20  # a figure of fewer rows is noise: it is neither shown nor compared


@dataclass(frozen=True)
class Rate:
    """A figure of a group: the mean of `values` [n] over the rows that are `inside` [n]. `share`: within 0 and 1."""

    values: Floats
    inside: Bools
    share: bool = True


TITLES = {
    "selection_rate": "selected",
    "true_positive_rate": "selected of the deserving",
    "false_positive_rate": "selected of the others",
    "false_negative_rate": "passed over of the deserving",
    "precision": "deserving of the selected",
    "accuracy": "decided rightly",
    "error": "mean error",
    "bias": "mean of truth less prediction",
    "calibration": "probability less what came true",
}

RATES_OF = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "false_positive_rate": ("false_positive_rate",),
    "false_negative_rate": ("false_negative_rate",),
    "predictive_parity": ("precision",),
    "accuracy": ("accuracy",),
    "error": ("error",),
    "bias": ("bias",),
    "calibration": ("calibration",),
}
"""What a measure compares, by its name without the ending."""


def rates_of(measure: str) -> tuple[str, ...]:
    """The figures that a measure compares."""
    return RATES_OF[measure.rpartition("_")[0]]


def rates(problem: Problem, decided: Decisions | None, truth: Truth, outputs: Outputs) -> dict[str, Rate]:
    """Every figure that the rows give, by name. Rows without a label count where none is needed."""
    known = np.isfinite(truth.labels)
    truth = replace(truth, labels=np.where(known, truth.labels, 0.0))
    found: dict[str, Rate] = {}
    if decided is not None:
        said, come = decided.selected.astype(np.float64), decided.deserving
        found["selection_rate"] = Rate(said, np.ones(len(truth), dtype=np.bool_))
        found["true_positive_rate"] = Rate(said, known & come)
        found["false_positive_rate"] = Rate(said, known & ~come)
        found["false_negative_rate"] = Rate(1 - said, known & come)
        found["precision"] = Rate(come.astype(np.float64), known & decided.selected)
        found["accuracy"] = Rate((decided.selected == come).astype(np.float64), known)
    if problem.value.kind == "regression":
        found["error"] = Rate(problem.loss(truth, outputs), known, share=False)
        found["bias"] = Rate(problem.residual(truth, outputs), known, share=False)
    elif problem.value.kind == "multiclass":
        found["error"] = Rate(problem.loss(truth, outputs), known, share=False)
    claimed = problem.claimed(truth, outputs)
    if claimed is not None:
        come_true, said = claimed
        found["calibration"] = Rate(said - come_true, known, share=False)
    return found


def estimates(rate: Rate, groups: tuple[Group, ...], weight: Floats, clusters: Clusters) -> dict[str, Estimate]:
    """Of each group that has enough rows of it."""
    pooled = widening(rate.values, rate.inside, weight, clusters) if rate.share else 1.0
    found: dict[str, Estimate] = {}
    for group in groups:
        each = mean(rate.values, rate.inside & group.rows, weight, clusters, rate.share, pooled)
        if each is not None and each.rows >= ENOUGH:
            found[group.name] = each
    return found


def judged(found: Mapping[str, Estimates], measure: str, groups: tuple[Group, ...]) -> list[Estimates]:
    """What a measure compares: its figures, of the groups that are judged."""
    names = [group.name for group in groups]
    return [{name: found[rate][name] for name in names if name in found[rate]} for rate in rates_of(measure) if rate in found]
