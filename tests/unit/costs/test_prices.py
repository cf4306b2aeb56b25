from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.spec import Cost
from include.costs.prices import Prices, money, shown

PLATFORM = {"SLIPSTREAM_COST_CURRENCY": "EUR", "SLIPSTREAM_COST_CPU_HOUR": "0.04", "SLIPSTREAM_COST_GPU_HOUR": "2"}


def test_a_models_own_prices_come_before_the_platforms() -> None:
    found = Prices.of(Cost(cpu_hour=0.1), PLATFORM)
    assert found == Prices("EUR", 0.1, 2.0, None, None)
    assert Prices.of(Cost(), {}) == Prices()


@pytest.mark.parametrize("text", ["cheap", "-1", "inf", "nan"])
def test_a_setting_that_is_no_price_is_named(text: str) -> None:
    with pytest.raises(SpecError) as refused:
        Prices.of(Cost(), {"SLIPSTREAM_COST_CPU_HOUR": text})
    assert "SLIPSTREAM_COST_CPU_HOUR is no price" in str(refused.value)
    assert text in str(refused.value)


def test_two_currencies_are_no_table() -> None:
    with pytest.raises(SpecError, match=r"cost\.currency is USD, and gpu_hour would be the platform's, in EUR"):
        Prices.of(Cost(currency="USD", cpu_hour=0.1), PLATFORM)
    whole = Cost(currency="USD", cpu_hour=0.1, gpu_hour=3)
    assert Prices.of(whole, PLATFORM).currency == "USD"


def test_what_is_unknown_is_never_nothing() -> None:
    prices = Prices("EUR", cpu_hour=0.5)
    assert money({"cpu_hour": 2.0, "gpu_hour": 0.0}, prices) == 1.0
    assert money({"cpu_hour": 2.0, "gpu_hour": 1.0}, prices) is None
    assert money({"cpu_hour": None, "gpu_hour": 0.0}, prices) is None
    assert money({"cpu_hour": 0.0}, Prices()) == 0.0


@pytest.mark.parametrize(
    ("value", "told"), [(None, "unknown"), (0.0, "0 EUR"), (1234.5, "1,234.50 EUR"), (0.0000123456, "0.0000123 EUR")]
)
def test_money_is_told_with_three_figures(value: float | None, told: str) -> None:
    assert shown(value, Prices("EUR")) == told
