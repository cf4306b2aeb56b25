"""Which tensor of a foreign ONNX file holds the outputs that a problem asks for: numbers, scores, or a probability a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from include.backends.onnx.foreign import SAFE, outputs_of
from include.core.errors import DataError
from include.model_contract.model import Floats
from include.problems.problem import Problem


@dataclass(frozen=True)
class Chosen:
    """The tensor of the graph that holds the outputs, and its column, or its columns in the problem's order; `scores` [n] or
    [n, k] of the probes."""

    tensor: str  # empty where each output is a tensor of its own, which is left as it is
    column: int | tuple[int, ...] | None  # None: the tensor is [n]
    scores: Floats
    zipped: str = ""  # the node that made a list of dictionaries of it


def choose(name: str, proto: Any, answers: Mapping[str, Any], problem: Problem) -> Chosen:
    """The outputs of a problem that is not plain binary. Raises DataError where there are none such, or it is not clear."""
    found = _by_name(answers, problem) or _only(name, proto, _candidates(proto, answers, problem), problem)
    wrong = problem.check(found.scores, len(found.scores))
    if wrong:
        raise DataError(
            f"What {name} returns does not fit a {problem.value_name}: {wrong}.",
            seen=found.scores[:2].tolist(),
            safe=SAFE,
            hint="give its outputs whatever the input: a missing number is NaN, unless the spec's feature has a default.",
        )
    return found


def _by_name(answers: Mapping[str, Any], problem: Problem) -> Chosen | None:
    """Where each output is a tensor [n] of its own, by its name."""
    if len(problem.outputs) == 1 or set(answers) != set(problem.outputs):
        return None
    columns = [answers[each] for each in problem.outputs]
    if not all(isinstance(each, np.ndarray) and each.ndim == 1 for each in columns):
        return None
    return Chosen("", None, np.stack(columns, axis=1).astype(np.float32))


def _candidates(proto: Any, answers: Mapping[str, Any], problem: Problem) -> list[Chosen]:
    found = [_candidate(proto, key, value, problem) for key, value in answers.items()]
    return [each for each in found if each is not None]


def _candidate(proto: Any, key: str, value: Any, problem: Problem) -> Chosen | None:
    wanted = len(problem.outputs)
    if isinstance(value, list):  # a list of dictionaries by class: the tensor before it is the one
        zipped = next((node for node in proto.graph.node if node.op_type == "ZipMap" and key in node.output), None)
        if zipped is None or wanted == 1 or not value or len(value[0]) != wanted:
            return None
        scores = np.array([list(each.values()) for each in value], dtype=np.float32)
        return _ordered(proto, Chosen(zipped.input[0], tuple(range(wanted)), scores, zipped=key), problem)
    if not np.issubdtype(value.dtype, np.floating):
        return None
    scores = value.astype(np.float32)
    if wanted == 1:
        if scores.ndim == 2 and scores.shape[1] == 1:
            return Chosen(key, 0, scores[:, 0])
        return Chosen(key, None, scores) if scores.ndim == 1 else None
    if scores.ndim != 2 or scores.shape[1] != wanted:
        return None
    return _ordered(proto, Chosen(key, tuple(range(wanted)), scores), problem)


def _ordered(proto: Any, chosen: Chosen, problem: Problem) -> Chosen:
    """Of classes that the file names: in the problem's order. Raises DataError for other classes."""
    classes = _classes(proto)
    if not classes or problem.link != "softmax":
        return chosen
    if set(classes) != set(problem.outputs) or len(classes) != len(problem.outputs):
        raise DataError(
            "The classes of the file are not those of the spec's problem.",
            seen=list(classes[:10]), safe=SAFE, hint=f"train it on {', '.join(problem.outputs[:10])}, or state its classes.",
        )  # fmt: skip
    places = tuple(classes.index(each) for each in problem.outputs)
    return Chosen(chosen.tensor, places, chosen.scores[:, list(places)], chosen.zipped)


def _classes(proto: Any) -> list[str]:
    """The classes that a classifier of the graph names, as text; none where there is no such node."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_") and (attribute.ints or attribute.strings):
                return [*map(str, attribute.ints), *(text.decode(errors="replace") for text in attribute.strings)]
    return []


def _only(name: str, proto: Any, found: Sequence[Chosen], problem: Problem) -> Chosen:
    if len(found) > 1:
        named = {*problem.outputs, "outputs", "variable"}
        found = [each for each in found if each.tensor in named or "prob" in each.tensor.lower() or each.zipped]
    if len(found) == 1:
        return found[0]
    wanted = len(problem.outputs)
    form = "[n] or [n, 1]" if wanted == 1 else f"[n, {wanted}], or {wanted} outputs [n] by name"
    raise DataError(
        f"It is not clear which output of {name} is what a {problem.value_name} asks for ({', '.join(problem.outputs[:5])}): one "
        f"float {form}.",
        seen=[str(port) for port in outputs_of(proto)],
        safe=SAFE,
        hint="export it with these outputs alone.",
    )
