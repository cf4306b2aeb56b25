"""What is fixed of a stage when it begins: every source of its evidence counts under the same terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from include.core.request import Json
from include.core.spec import AnyKind, Binary, problem_from

if TYPE_CHECKING:
    from include.problems.problem import Problem


@dataclass(frozen=True)
class StageTerms:
    """`limits`: the champion's quantiles, from what all sources had published by then."""

    stage: str
    generation: int
    planned: int
    shadow: bool
    limits: Mapping[str, float]
    labelled: bool
    threshold: float
    joined: bool  # whether labels or outcomes are expected: only then are requests kept for them to find
    before: int = 0  # requests of the baseline when the stage began, and its errors
    before_errors: int = 0
    problem: AnyKind = field(default_factory=Binary)  # as the spec states it
    first_labels: bool = False  # whether a promotion depends on labels: then each entity's first one is an observation
    first_known: bool = True  # whether entities are observed by their first requests; a stage begun by an old release was not
    since: int = 0  # the generation of the rollout's first stage, and when it was entered
    since_at: str = ""

    def kind(self) -> Problem:
        return asked(self.problem, self.threshold)

    def to_json(self) -> dict[str, Json]:
        return {**vars(self), "limits": dict(self.limits), "problem": stored_problem(self.problem)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{**value, "problem": problem_from(value["problem"])})


def asked(problem: AnyKind, threshold: float = 0.5) -> Problem:
    from include.problems.of import problem_of  # pyarrow: `slipstream rollback` imports this module and asks nothing

    return problem_of(problem, threshold)


def stored_problem(problem: AnyKind) -> dict[str, Json]:
    """Nothing of a plain binary one, as requests have it."""
    return {} if problem == Binary() else problem.model_dump(mode="json")
