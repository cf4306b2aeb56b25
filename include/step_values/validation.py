"""The values of `validate` and `validate_training_set`."""

from __future__ import annotations

from typing import Literal, TypedDict

from include.core.json_types import Json


class CheckValue(TypedDict):
    """One expectation's answer. `broken` is the exception inside it: then `success` says nothing."""

    expectation: str
    column: str
    on_failure: Literal["quarantine", "stop", "warn"]
    success: bool
    judged: int
    unexpected: int
    percent: float
    sample: list[Json]
    observed: Json
    broken: str


class SourceValue(TypedDict):
    """One source's checks. It has passed if `reasons` is empty."""

    passed: bool
    rows: int
    quarantined: int
    checks: list[CheckValue]
    reasons: list[str]


class ValidateValue(TypedDict):
    """The verdict on a day, or on a training set, whose `day` is None."""

    passed: bool
    day: str | None
    sources: dict[str, SourceValue]
