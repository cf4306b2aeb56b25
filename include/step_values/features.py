"""The values of `features` and `training_set`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from include.core.json_types import Json

SHOWN = 6  # figures of a line


class FeaturesValue(TypedDict):
    """A partition's features: row counts by dataset, and of each view its version and its definition.

    `start`, `end`: of one that is no day of UTC.
    """

    day: str
    start: NotRequired[str]
    end: NotRequired[str]
    rows: dict[str, int]
    versions: NotRequired[dict[str, str]]
    definitions: NotRequired[dict[str, Json]]
    read: NotRequired[dict[str, dict[str, str]]]
    lacked: NotRequired[dict[str, list[str]]]


class TrainingSetValue(TypedDict):
    """A training set: its rows, what was left out of them and why, and what computed its views.

    `positives`, `holdout_positives`: of a binary label. Others are `described` by part (`train`, `holdout`): figures by name, of
    classes their rows. `cut`: rows of lists that lay on both sides of the cut.
    """

    rows: int
    positives: NotRequired[int]
    holdout_rows: int
    holdout_positives: NotRequired[int]
    described: NotRequired[dict[str, dict[str, float]]]
    cut: NotRequired[int]
    first: str
    last: str
    as_of: str
    unlabelled: int
    answered: NotRequired[int]
    at_once: NotRequired[int]
    repeated: int
    labels: int
    told: NotRequired[int]
    same_instant: NotRequired[dict[str, int]]
    warnings: NotRequired[list[str]]
    views: NotRequired[dict[str, str]]
    definitions: NotRequired[dict[str, Json]]
    lacked: NotRequired[dict[str, Json]]


def label_words(value: Mapping[str, Any]) -> str:
    """What the labels of a training set are like: `1,204 positive`, or the figures of the rows to train on."""
    if "positives" in value:
        return f"{value['positives']:,} positive"
    described: Mapping[str, Mapping[str, float]] = value.get("described", {})
    figures = list(described.get("train", {}).items())
    shown = ", ".join(f"{name} {_figure(each)}" for name, each in figures[:SHOWN])
    return f"{shown} and {len(figures) - SHOWN} more" if len(figures) > SHOWN else shown or "labels not described"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
