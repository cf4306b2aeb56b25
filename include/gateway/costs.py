"""What the metrics page says of money: prices, and what is known of the version in production. Read from the control store."""

from __future__ import annotations

from collections.abc import Iterator

from include.core.spec import ModelSpec
from include.costs.prices import Prices
from include.routing.route import read_route
from include.services.services import Services

Sample = tuple[str, tuple[str, ...], float]


def samples(services: Services, spec: ModelSpec) -> Iterator[Sample]:
    """Nothing of what is unknown. What versions have cost is by the prices of the day of their registration."""
    from include.costs.kept import kept
    from include.monitoring.retraining.retrainings import newest

    prices = Prices.of(spec.cost, services.settings.environ or None)
    if prices.cpu_hour is not None:
        yield "slipstream_cost_cpu_hour", (spec.name, prices.currency), prices.cpu_hour
    champion = read_route(services.control, spec.name)[1].champion
    cost = None if champion is None else kept(services.control, spec.name).get(champion)
    if cost is not None:
        labels = (spec.name, str(champion), cost.prices.currency)
        if (training := cost.training[0]) is not None:
            yield "slipstream_cost_training", labels, training
        if (thousand := cost.thousand_money) is not None:
            yield "slipstream_cost_thousand_predictions", labels, thousand
    for row in newest(services.control, spec.name, 1):
        evidence = ((row["evidence"] or {}).get("evidence") or {}) if isinstance(row["evidence"], dict) else {}
        if (stale := evidence.get("stale_window")) is not None:
            yield "slipstream_cost_stale_window", (spec.name, evidence["money"].get("currency", "")), float(stale)
