"""Of a fit that began from the champion's weights and its cold twin: which of them is the candidate.

They are compared on the validation rows, which both had the same of: the holdout is left for the one comparison that decides
whether the candidate may go on.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core.request import Result
from include.core.spec import ModelSpec
from include.problems.of import of_params, params_of
from include.step_values.training import TrainValue
from include.training.tune_step import tuned_by


@dataclass(frozen=True)
class Choice:
    warm: bool
    why: str


def choose(spec: ModelSpec, warm: Result, cold: Result) -> Choice:
    """The warm one unless it is worse. By the gate's metric, where validation rows have it, else by what a search chooses by."""
    if warm.digest == cold.digest:
        return Choice(False, "there is no champion to begin from: both are one cold fit")
    begun = warm.read(TrainValue).get("warm_start", {})
    if not begun.get("warm"):
        return Choice(False, f"the fit began cold: {begun.get('why', 'it does not say why')}")
    ours, theirs = (result.read(TrainValue)["metrics"] for result in (warm, cold))
    problem = of_params(params_of(spec))
    name = spec.evaluation.metric if spec.evaluation.metric in ours else tuned_by(problem)
    metric, mine, other = problem.metric(name), ours.get(name), theirs.get(name)
    if mine is None or other is None:
        return Choice(False, f"the {metric.title} of one of them is not defined on the validation rows")
    better = mine >= other if metric.higher_is_better else mine <= other
    seen = f"{metric.title} {mine:.5f} begun warm, {other:.5f} cold, on the same validation rows"
    return Choice(better, seen)
