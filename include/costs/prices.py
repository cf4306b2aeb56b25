"""The price table: a model's own prices, the platform's for what it leaves out. A price that nobody gave is unknown, never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from include.core import environment
from include.core.errors import SpecError
from include.core.spec.cost import Cost

HOUR = 3600.0
MONTH = 730.0  # hours


@dataclass(frozen=True)
class Prices:
    """Of an hour, or a month, in `currency`; None: unknown."""

    currency: str = ""
    cpu_hour: float | None = None
    gpu_hour: float | None = None
    memory_gb_hour: float | None = None
    storage_gb_month: float | None = None

    @classmethod
    def of(cls, cost: Cost, environ: Mapping[str, str] | None = None) -> Self:
        """Raises SpecError for a setting that is no price, and for two currencies in one table."""
        platform = environment.COST_CURRENCY.read(environ)
        theirs = {name: _price(name, environ) for name in environment.COSTS}
        own = {name: getattr(cost, name) for name in environment.COSTS}
        borrowed = [name for name, price in theirs.items() if price is not None and own[name] is None]
        currency = cost.currency or platform
        if borrowed and platform and currency != platform:
            raise SpecError(
                f"cost.currency is {currency}, and {', '.join(borrowed)} would be the platform's, in {platform}.",
                seen={"cost.currency": currency, environment.COST_CURRENCY.name: platform},
                safe="nothing was priced.",
                hint=f"give {', '.join(borrowed)} in the spec's section `cost` as well, or leave out its currency.",
            )
        return cls(currency, **{name: theirs[name] if own[name] is None else own[name] for name in own})

    def to_json(self) -> dict[str, float | str | None]:
        return asdict(self)

    @property
    def unit(self) -> str:
        """What a sum is followed by."""
        return self.currency or "of the price table's unit"


def money(amounts: Mapping[str, float | None], prices: Prices) -> float | None:
    """Of hours and GiB-months by the names of prices. None where an amount, or the price of one that is not 0, is unknown."""
    total = 0.0
    for name, amount in amounts.items():
        price = getattr(prices, name)
        if amount is None or (amount and price is None):
            return None
        total += amount * (price or 0.0)
    return total


def shown(value: float | None, prices: Prices) -> str:
    """Money in words: three figures that count, whatever its size."""
    if value is None:
        return "unknown"
    if value == 0:
        return f"0 {prices.unit}"
    places = max(2, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f} {prices.unit}"


def _price(name: str, environ: Mapping[str, str] | None) -> float | None:
    variable = environment.COSTS[name]
    text = variable.read(environ).strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise SpecError(
            f"{variable.name} is no price.", seen=text, safe="nothing was priced.", hint="give a number such as .04, or unset it."
        )
    return value
