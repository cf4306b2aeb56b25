"""What an evaluation tells of why its model says what it says."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ImportanceValue(TypedDict):
    """By how much the metric is worse where the feature is permuted, in its own unit, with an interval of 95 %."""

    feature: str
    worse: float
    low: float | None
    high: float | None


class ShapFeature(TypedDict):
    """Of one feature, each by output: the mean of the absolute Shapley values, and where nine in ten of the values lie.

    `words`: how they go with the feature's value, by output.
    """

    feature: str
    mean_abs: list[float]
    low: list[float]
    high: list[float]
    words: dict[str, str]


class ShapValue(TypedDict):
    """Shapley values of `rows` rows of the holdout (of `of` that were asked for) against `background` rows of the training set.

    `base`: the mean answer of the background, by output: what the values of a row add up to its answer from.
    """

    method: str
    rows: int
    of: int
    background: int
    outputs: list[str]
    base: list[float]
    features: list[ShapFeature]


class ExplanationsValue(TypedDict):
    """Which features move the model, most first. `words`: one sentence of it."""

    metric: str
    rows: int
    repeats: int
    seed: int
    permutation: list[ImportanceValue]
    shap: NotRequired[ShapValue]
    words: str
