"""What a stored evaluation says of its problem: its metrics in words, without the author's code, which may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.core.spec import Regression
from include.problems.of import of_params
from include.problems.problem import Problem
from include.step_values.evaluation import EvaluateValue


@dataclass(frozen=True)
class Stated:
    """A metric. `title`: as a sentence names it; `unit`: what its values are followed by, such as ` minutes`, or nothing."""

    title: str
    higher_is_better: bool = True
    unit: str = ""

    def worse_by(self, value: float, than: float) -> float:
        """By how much `value` is the worse one, in the metric's own unit; negative if it is better."""
        return than - value if self.higher_is_better else value - than

    def shown(self, value: float) -> str:
        """A value, to four digits."""
        return f"{value:.4f}{self.unit}"


def state(value: EvaluateValue, params: Mapping[str, Any]) -> None:
    """Keep in an evaluation's value what its request asked: the problem unless it is plain binary, and the threshold of one that
    has any."""
    threshold = of_params(params).decided_at
    if threshold is not None:
        value["threshold"] = threshold
    if params.get("problem"):
        value["problem"] = params["problem"]


def problem_in(value: Mapping[str, Any]) -> Problem:
    """The problem of an evaluation's value."""
    return of_params(value)


def units_in(value: Mapping[str, Any]) -> str:
    """What an evaluation counts: rows, or the lists of a ranking."""
    return units_of(problem_in(value))


def units_of(problem: Problem) -> str:
    """What is one observation, in the plural."""
    return "queries" if problem.query else "rows"


def metric_in(value: Mapping[str, Any], name: str) -> Stated:
    """One metric of an evaluation's value. What is none of the kind's own is the author's: a loss, of which less is better."""
    return stated(problem_in(value), name)


def stated(problem: Problem, name: str) -> Stated:
    """One metric of a problem."""
    metric = problem.own_metrics.get(name)
    if metric is None:
        return Stated(name.replace("_", " "), higher_is_better=False)
    unit = problem.value.unit if metric.of_label and isinstance(problem.value, Regression) else ""
    return Stated(metric.title, metric.higher_is_better, f" {unit}" if unit else "")
