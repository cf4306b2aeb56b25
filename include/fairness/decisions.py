"""Who is selected, and who deserves to be: what decisions of any kind of problem mean for a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from include.core.spec import Binary, Fairness, MultiClass, Regression
from include.metrics.arrays import Bools
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth


@dataclass(frozen=True)
class Decisions:
    """`selected` [n]: who gets the decision that is good for them. `deserving` [n]: whose label says that they should; of a row
    without a label it says nothing."""

    selected: Bools
    deserving: Bools


def decisions(problem: Problem, spec: Fairness, truth: Truth, outputs: Outputs) -> Decisions | None:
    """None where nothing is decided: of a number without a threshold, of classes of which none is named as good for a person."""
    favourable = spec.favourable
    if isinstance(favourable, tuple):
        if not favourable or not isinstance(problem.value, MultiClass):
            return None
        places = [problem.outputs.index(name) for name in favourable]
        return Decisions(np.isin(problem.decide(outputs, truth.costs), places), np.isin(truth.labels, places))
    if isinstance(problem.value, Binary):
        said, come = _binary(problem, spec, truth, outputs), truth.labels > 0.5
    elif isinstance(problem.value, Regression) and spec.threshold is not None:
        said, come = problem.summary(outputs) >= spec.threshold, truth.labels >= spec.threshold
    else:
        return None
    return Decisions(said, come) if favourable else Decisions(~said, ~come)


def _binary(problem: Problem, spec: Fairness, truth: Truth, outputs: Outputs) -> Bools:
    if spec.threshold is not None:
        return np.asarray(outputs.astype(np.float64) >= spec.threshold)
    return np.asarray(problem.decide(outputs, truth.costs) == 1)


def words(problem: Problem, spec: Fairness) -> str:
    """What being selected means, as a sentence; empty where nothing is decided."""
    if isinstance(spec.favourable, tuple):
        named = ", ".join(spec.favourable)
        return f"Selected is who is decided to be {named}." if spec.favourable else ""
    side = "a yes" if spec.favourable else "a no"
    if spec.threshold is not None:
        at = f"{'at least' if spec.favourable else 'below'} {spec.threshold:g}{f' {problem.unit}' if problem.unit else ''}"
        return f"Selected is whose {problem.summary_words} is {at}."
    if not isinstance(problem.value, Binary):
        return ""
    how = "serving.threshold" if problem.value.plain else "the problem's costs or its own decision"
    at = f" ({problem.decided_at:g})" if problem.value.plain and problem.decided_at is not None else ""
    return f"Selected is who gets {side}, as {how}{at} decides."
