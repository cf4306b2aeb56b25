"""The flights of 2013."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from examples.models.eta.raw_days import land
from include.core.storage import Storage
from tests.e2e.case_life import Case, change_outputs

if TYPE_CHECKING:
    from onnx import ModelProto


def land_days(storage: Storage, first: date, last: date, model: str) -> None:
    land(storage, first, last, model)


def in_seconds(model: ModelProto) -> None:
    """It answers in seconds where minutes are meant."""
    change_outputs(model, 60.0, 0.0)


CASE = Case(
    name="eta",
    land=land_days,
    history=(date(2013, 1, 1), date(2013, 2, 24)),
    weeks=6,
    break_version=in_seconds,
)
