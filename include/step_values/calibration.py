"""Whether probabilities come true, in bins: of all rows, or of a group of people."""

from __future__ import annotations

from typing import TypedDict


class CalibrationBin(TypedDict):
    """The rows whose scores fall into one bin: how many, their mean score, their share of positives."""

    rows: int
    score: float
    rate: float
