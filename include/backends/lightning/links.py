"""From what a module gives to a problem's outputs. Imports no torch: the driver of a distributed fit needs none."""

from __future__ import annotations

from typing import Literal

from include.core.spec import Binary
from include.problems.problem import Problem

Link = Literal["sigmoid", "softmax", "identity"]


def link_of(problem: Problem) -> Link:
    """Classes and the probability of a label are given as logits; a number, its interval and a ranking's score as they are."""
    if problem.outputs_add_up:
        return "softmax"
    return "sigmoid" if isinstance(problem.value, Binary) else "identity"
