"""The problem that a spec, or the parameters of a stored request, states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.errors import DataError
from include.core.spec import AnyKind, Binary, ModelSpec, MultiClass, Ranking, Regression, problem_from
from include.problems.binary import BinaryProblem
from include.problems.multiclass import MultiClassProblem
from include.problems.problem import Problem
from include.problems.ranking import RankingProblem
from include.problems.regression import RegressionProblem

THRESHOLD = 0.5
SHOWN = 8  # outputs, of an error
TEXT_OR_WHOLE = "KEY"  # of a column that says what a row belongs to: see include/features/offline/dataset.py


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


def rows_of(spec: ModelSpec) -> dict[str, Any]:
    """What a request says of a day's rows: the type of the label, and the columns of the entities' SQL beside keys and features.

    Protected attributes that are no inputs are such columns, too. Nothing for a plain binary problem; not the problem itself,
    whose metrics or costs change no row.
    """
    known = {*spec.features.keys, *(each.name for each in spec.features.inputs)}
    further = [name for name in spec.problem.columns if name not in known]
    columns = {name: "DOUBLE" if name == spec.problem.weight else TEXT_OR_WHOLE for name in further}
    binned = {each.column for each in spec.fairness.attributes if each.bins}
    columns = {**{name: "DOUBLE" if name in binned else TEXT_OR_WHOLE for name in spec.beside}, **columns}
    label = of_spec(spec).sql_type
    return {
        **({} if label == PLAIN.sql_type else {"label_type": label}),
        **({"columns": columns} if columns else {}),
    }


def beside_of(spec: ModelSpec) -> dict[str, Any]:
    """What a training set's request says of protected attributes that are no inputs; nothing where there are none."""
    return {"beside": list(spec.beside)} if spec.beside else {}


def signature_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's contract (`signature.json`) says of its problem: the problem, its outputs' names. Nothing of a plain one.

    `params`: of a request, or what `params_of` gives.
    """
    if not params.get("problem"):
        return {}
    return {"problem": params["problem"], "outputs": list(of_params(params).outputs)}


def same_outputs(problem: Problem, signature: Mapping[str, Any]) -> bool:
    """Whether a model of this contract answers the problem's question: its outputs can then be measured by it."""
    other = of_params(signature)
    return other.value.kind == problem.value.kind and other.outputs == problem.outputs


def require_same(problem: Problem, signature: Mapping[str, Any], which: str) -> None:
    """Raises DataError unless a model of this contract answers the problem's question.

    Outputs of another problem may have the same shape (the same classes in another order), and would be misread.
    """
    if same_outputs(problem, signature):
        return
    other = of_params(signature)
    raise DataError(
        f"{which[:1].upper()}{which[1:]} was trained for another problem than the spec now states.",
        seen={
            "trained": f"{other.value_name} of {', '.join(other.outputs[:SHOWN])}",
            "spec": f"{problem.value_name} of {', '.join(problem.outputs[:SHOWN])}",
        },
        safe="nothing was measured or scored by it; the version itself is kept.",
        hint="train a version for the present problem, or give the spec the problem back that the version was trained for.",
    )


def uses_of(spec: ModelSpec) -> tuple[str, ...]:
    """The author's own code that losses and metrics call: results depend on it."""
    return tuple(filter(None, (*spec.problem.metrics, getattr(spec.problem, "decision", ""))))


PLAIN = problem_of(Binary())
"""The problem of what was stored before there were kinds."""
