from __future__ import annotations

from typing import Any

import pytest

from include.core.request import Result
from include.training.choose import choose
from tests.unit.operators.models.shop.spec import SPEC

WARM = {"warm": True}


def result(rows: int, warm_start: dict[str, Any] | None = None, **metrics: float | None) -> Result:
    value = {"metrics": metrics, "rows": rows, **({} if warm_start is None else {"warm_start": warm_start})}
    return Result("train/x", 0, 1, value, {}, 0.1, "2013-01-01T00:00:00")


@pytest.mark.parametrize(
    ("warm", "cold", "chosen", "says"),
    [
        (result(1, WARM, auc=0.80), result(2, auc=0.79), True, "0.80000 begun warm, 0.79000 cold"),
        (result(1, WARM, auc=0.80), result(2, auc=0.80), True, "0.80000 begun warm"),
        (result(1, WARM, auc=0.79), result(2, auc=0.80), False, "0.79000 begun warm, 0.80000 cold"),
        (result(1, WARM, log_loss=0.5), result(2, log_loss=0.6), True, "log loss 0.50000"),
        (result(1, WARM, auc=None), result(2, auc=0.80), False, "not defined on the validation rows"),
        (result(1, {"warm": False, "why": "another width"}, auc=0.9), result(2, auc=0.8), False, "began cold: another width"),
        (result(1, None, auc=0.9), result(1, auc=0.9), False, "both are one cold fit"),
    ],
    ids=["better", "as good", "worse", "by what a search chooses by", "undefined", "began cold", "no champion"],
)
def test_the_warm_one_unless_it_is_worse(warm: Result, cold: Result, chosen: bool, says: str) -> None:
    choice = choose(SPEC, warm, cold)
    assert choice.warm is chosen
    assert says in choice.why
