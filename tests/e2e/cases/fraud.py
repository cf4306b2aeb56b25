"""Card payments: a small bank's, since a stream pushes each minute of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from examples.models.fraud.raw_days import Bank, land
from include.core.storage import Storage
from tests.e2e.case_life import Case, change_outputs

if TYPE_CHECKING:
    from onnx import ModelProto

BANK = Bank(customers=1_500, terminals=2_400)


def land_days(storage: Storage, first: date, last: date, model: str) -> None:
    land(storage, first, last, model, BANK)


def invert(model: ModelProto) -> None:
    """It answers with the chance that a payment is honest."""
    change_outputs(model, -1.0, 1.0)


CASE = Case(
    name="fraud",
    land=land_days,
    history=(date(2024, 1, 1), date(2024, 2, 4)),
    weeks=6,
    break_version=invert,
    step=timedelta(minutes=1),
)
