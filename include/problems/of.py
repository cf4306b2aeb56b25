"""The problem that a spec, or the parameters of a stored request, states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.spec import AnyKind, Binary, ModelSpec, MultiClass, Ranking, Regression, problem_from
from include.problems.binary import BinaryProblem
from include.problems.multiclass import MultiClassProblem
from include.problems.problem import Problem
from include.problems.ranking import RankingProblem
from include.problems.regression import RegressionProblem

THRESHOLD = 0.5


def problem_of(value: AnyKind, threshold: float = THRESHOLD, default: float = 0.5) -> Problem:
    """`threshold`, `default`: of a binary problem, `serving.threshold` and `serving.default_score`."""
    match value:
        case Binary():
            return BinaryProblem(value, threshold, default)
        case Regression():
            return RegressionProblem(value)
        case MultiClass():
            return MultiClassProblem(value)
        case Ranking():
            return RankingProblem(value)
    raise TypeError(f"no kind of problem: {value!r}")


def of_spec(spec: ModelSpec) -> Problem:
    """The problem of a model."""
    return problem_of(spec.problem, spec.serving.threshold, spec.serving.default_score)


def of_params(params: Mapping[str, Any]) -> Problem:
    """The problem of a request: its parameters `problem` and `threshold`. Without the former it is binary, as all once were."""
    return problem_of(problem_from(params.get("problem")), float(params.get("threshold") or THRESHOLD))


def params_of(spec: ModelSpec) -> dict[str, Any]:
    """What a request says of its problem; nothing for a plain binary one, whose results keep their keys."""
    return {} if spec.problem == Binary() else {"problem": spec.problem.model_dump(mode="json")}
