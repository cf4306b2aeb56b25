"""The values of `train` and `tune`."""

from __future__ import annotations

from typing import Any, TypedDict

from include.core.json_types import Json

Metrics = dict[str, float | None]
"""Metrics by name; None where one is not defined for the rows."""


class TrainValue(TypedDict):
    """A fitted model: its metrics on the validation rows, and what the fit reported as it went, a row a step."""

    metrics: Metrics
    history: list[dict[str, float]]
    params: dict[str, Json]
    rows: int


Trial = dict[str, Any]
"""One point of the grid: its `params`, and by its name the metric that chooses, on the validation rows."""


class TuneValue(TypedDict):
    """The best point of the grid, and all that were tried."""

    params: dict[str, Json]
    trials: list[Trial]
