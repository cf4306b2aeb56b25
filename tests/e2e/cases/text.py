"""Reviews of clothes, by their text."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from examples.models.text.raw_days import land
from include.core.storage import Storage
from tests.e2e.case_life import Case, change_outputs

if TYPE_CHECKING:
    from onnx import ModelProto


def land_days(storage: Storage, first: date, last: date, model: str) -> None:
    land(storage, first, last, model)


def turn_round(model: ModelProto) -> None:
    """The less likely a class is, the likelier it says: what is left of 1, shared among the four others."""
    change_outputs(model, -0.25, 0.25)


CASE = Case(
    name="text",
    land=land_days,
    history=(date(2023, 1, 1), date(2023, 3, 12)),
    weeks=6,
    reach=11,  # some 150 reviews a day: a rollout takes two thousand of them and more
    break_version=turn_round,
)
