"""The values of `train` and `tune`."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from include.core.json_types import Json

Metrics = dict[str, float | None]
"""Metrics by name; None where one is not defined for the rows."""


class TrainValue(TypedDict):
    """A fitted model: its metrics on the validation rows, and what the fit reported as it went, a row a step.

    Of a fit whose workers came, went or were lost: each time as `include.training.interruptions:Interruption` has it, and the
    seconds that they cost together.

    `warm_start`: of a fit that was to begin from the champion's weights: whether it did (`warm`), `why` it did not, and the
    places that began anew (`fresh`). `privacy`: of a fit by DP-SGD what it spent: `epsilon`, `delta`, `noise_multiplier`,
    `max_grad_norm`, `sample_rate`, `steps`, `accountant`.
    """

    metrics: Metrics
    history: list[dict[str, float]]
    params: dict[str, Json]
    rows: int
    interruptions: NotRequired[list[dict[str, Json]]]
    seconds_lost: NotRequired[float]
    warm_start: NotRequired[dict[str, Json]]
    privacy: NotRequired[dict[str, Json]]


Trial = dict[str, Any]
"""One point that was tried: its `params`, and by its name the metric that chooses, on the validation rows.

Of a `Search` also: `trial` (its number), `epochs` it came to, `legs` (each with `until`, `value`, those of its `params` that are
others than before, and `donor`, the trial whose weights it went on with), and `error` where it failed.
"""


class TuneValue(TypedDict):
    """The best point, and all that were tried."""

    params: dict[str, Json]
    trials: list[Trial]
    metric: NotRequired[str]
    """What chose; like all that follows only of a `Search`."""
    best: NotRequired[int]
    """The number of the trial whose parameters `params` are."""
    epochs: NotRequired[int]
    """That all trials together have trained."""
    curve: NotRequired[list[tuple[int, float]]]
    """The best value so far, each time there was a better one, after so many epochs of all trials."""
