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
    """

    metrics: Metrics
    history: list[dict[str, float]]
    params: dict[str, Json]
    rows: int
    interruptions: NotRequired[list[dict[str, Json]]]
    seconds_lost: NotRequired[float]


Trial = dict[str, Any]
"""One point of the grid: its `params`, and by its name the metric that chooses, on the validation rows."""


class TuneValue(TypedDict):
    """The best point of the grid, and all that were tried."""

    params: dict[str, Json]
    trials: list[Trial]
