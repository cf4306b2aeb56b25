"""What a model does with a worse day than the holdout's."""

from __future__ import annotations

from typing import Literal, TypedDict


class TrialValue(TypedDict):
    """The holdout with something wrong. `what`: which kind; `on`: of which input or view, empty of all numbers at once. `metric`:
    what is left of it; `fall`: how much worse that is, from `low` to `high`, in the metric's own unit; None where unknown."""

    what: Literal["missing", "view missing", "noise", "unknown category", "ten times", "a tenth"]
    on: str
    metric: float | None
    fall: float | None
    low: float | None
    high: float | None
    words: str


class RobustnessValue(TypedDict):
    """`words`: the verdict as a sentence. `base`: the metric on the `rows` that were tried, as they are. `trials`: worst first.

    `missed`: why the gate closes, a sentence for each view whose loss costs too much.
    """

    words: str
    metric: str
    rows: int
    seed: int
    base: float | None
    limit: float | None
    trials: list[TrialValue]
    missed: list[str]
