"""The value of `import`: a model that was trained elsewhere, and where it came from."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from include.core.json_types import Json
from include.step_values.training import Metrics


class SourceValue(TypedDict):
    """The file as it was given. `uri`: where it was found first; `by`: who registered it first; `at`: when, UTC."""

    uri: str
    digest: str
    bytes: int
    format: str
    by: str
    at: str


class ImportValue(TypedDict):
    """Read as the value of `train` and of `training_set` are: what it was trained on is not known, so there are no rows."""

    metrics: Metrics
    history: list[dict[str, float]]
    params: dict[str, Json]
    rows: int
    holdout_rows: int
    as_of: str
    source: SourceValue
    remote: NotRequired[dict[str, Json]]
    """Of a model that another server serves: see include/model_contract/remote.py."""
