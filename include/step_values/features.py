"""The values of `features` and `training_set`."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from include.core.json_types import Json


class FeaturesValue(TypedDict):
    """One day's features: row counts by dataset, and of each view its version and its definition."""

    day: str
    rows: dict[str, int]
    versions: NotRequired[dict[str, str]]
    definitions: NotRequired[dict[str, Json]]
    read: NotRequired[dict[str, dict[str, str]]]
    lacked: NotRequired[dict[str, list[str]]]


class TrainingSetValue(TypedDict):
    """A training set: its rows, what was left out of them and why, and what computed its views."""

    rows: int
    positives: int
    holdout_rows: int
    holdout_positives: int
    first: str
    last: str
    as_of: str
    unlabelled: int
    answered: NotRequired[int]
    at_once: NotRequired[int]
    repeated: int
    labels: int
    same_instant: NotRequired[dict[str, int]]
    warnings: NotRequired[list[str]]
    views: NotRequired[dict[str, str]]
    definitions: NotRequired[dict[str, Json]]
    lacked: NotRequired[dict[str, Json]]
