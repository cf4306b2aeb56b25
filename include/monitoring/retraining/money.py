"""The price of a retrain from money: what the champion's training has cost, over what the errors of a window's requests cost.

    price = money of a training / (money of one error x requests of the window)

is in the mean loss of a window, as `retraining.price` is. It is kept with the decision, with all that it follows from.
"""

from __future__ import annotations

from typing import Any

from include.core.spec import ModelSpec
from include.costs.version import VersionCost, told


def facts_of(spec: ModelSpec, cost: VersionCost | None, requests: int) -> dict[str, Any]:
    """For `Facts.money`. Empty where the spec says nothing of what an error costs. `why`: the price is unknown for that."""
    error = spec.cost.error
    if error is None:
        return {}
    found: dict[str, Any] = {"error": error, "requests": requests, "price": None}
    if cost is None:
        return {**found, "why": "there is no version in production whose training was counted"}
    money, unpriced = cost.training
    found |= {"training": money, "unpriced": unpriced, "currency": cost.prices.currency}
    if money is None:
        return {**found, "why": "what the champion's training has cost is unknown (slipstream cost says which part)"}
    if not money:
        return {**found, "why": "the champion's training has cost nothing by the price table"}
    if not requests:
        return {**found, "why": "the window had no requests"}
    words = f"a training costs {told(money, unpriced, cost.prices)}, the errors of {requests:,} requests {error:g} each"
    return {**found, "price": money / (error * requests), "words": words}
