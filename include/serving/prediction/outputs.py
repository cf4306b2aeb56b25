"""What a model gives, as tensors of the Open Inference Protocol.

A plain score is `score` [n], a number `value` [n]; a number with an interval is three tensors [n]: `value`, `low`, `high`. The
probabilities of classes are one tensor, `probabilities` [n, k], in the order of the metadata's `parameters.outputs`.
"""

from __future__ import annotations

from typing import Any

from include.model_contract.batch import Floats
from include.serving.models.answers import Answers

SCORE, PROBABILITIES = "score", "probabilities"
Tensors = dict[str, Floats]


def names(answers: Answers | None) -> tuple[str, ...]:
    """Of the tensors. `answers`: of the loaded version; None for a plain binary problem."""
    if answers is None:
        return (SCORE,)
    return (PROBABILITIES,) if answers.problem.outputs_add_up else answers.problem.outputs


def tensors(answers: Answers | None, said: Floats) -> Tensors:
    """Outputs float32 [n] or [n, k] by the names of the tensors."""
    named = names(answers)
    if len(named) == 1:
        return {named[0]: said}
    return {name: said[:, place] for place, name in enumerate(named)}


def ports(answers: Answers | None) -> list[dict[str, Any]]:
    """What the metadata says of each tensor."""
    classes = [len(answers.problem.outputs)] if answers is not None and answers.problem.outputs_add_up else []
    return [{"name": name, "datatype": "FP32", "shape": [-1, *classes]} for name in names(answers)]


def described(answers: Answers | None) -> dict[str, Any]:
    """What the metadata's `parameters` say of the outputs; nothing of a plain binary problem's."""
    if answers is None:
        return {}
    return {"problem": answers.kind, "outputs": list(answers.problem.outputs)}
