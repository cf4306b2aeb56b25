from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.spec import Cost, Retraining
from tests.support.toy_ledger import SPEC


def test_what_nobody_said_is_unknown_and_an_error_has_no_price() -> None:
    assert Cost().model_dump() == {
        "currency": "", "cpu_hour": None, "gpu_hour": None, "memory_gb_hour": None, "storage_gb_month": None, "error": None,
    }  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [("cpu_hour", -0.1), ("error", 0), ("currency", "a currency of the realm")])
def test_what_is_no_price_is_refused(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        Cost(**{field: value})  # type: ignore[arg-type]


def test_a_price_that_follows_from_money_takes_the_money_of_an_error() -> None:
    fields = {name: getattr(SPEC, name) for name in type(SPEC).model_fields}
    by_cost = {**fields, "retraining": Retraining(price="cost")}
    with pytest.raises(SpecError, match=r"cost\.error is not given"):
        type(SPEC)(**by_cost)
    assert type(SPEC)(**{**by_cost, "cost": Cost(error=2.0)}).retraining.price == "cost"


def test_another_word_is_no_price() -> None:
    with pytest.raises(SpecError, match="price"):
        Retraining(price="dear")  # type: ignore[arg-type]
