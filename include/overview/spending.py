"""What models have cost: by model, by version and by thousand predictions, from what was counted at each registration.

Sums are of what is known; how much they leave out is said beside them. Two currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from include.core.control import ControlStore
from include.costs.prices import Prices, shown
from include.costs.spent import total
from include.costs.version import COSTS, VersionCost, told
from include.routing.standings import standings_in


def spending(control: ControlStore, owners: Mapping[str, str]) -> list[dict[str, Any]]:
    """By model, of those named with their owners; a model without a counted version too, for it is unknown."""
    costs, champions = _counted(control, owners), _champions(control)
    return [_line(model, owner, costs.get(model, {}), champions.get(model)) for model, owner in sorted(owners.items())]


def of_model(costs: Mapping[int, VersionCost]) -> list[dict[str, Any]]:
    """By version, newest first, with its attempts and in words."""
    return [
        {"version": number, **costs[number].to_json(), "words": _words(costs[number])} for number in sorted(costs, reverse=True)
    ]


def _counted(control: ControlStore, owners: Iterable[str]) -> dict[str, dict[int, VersionCost]]:
    found: dict[str, dict[int, VersionCost]] = {}
    for each in COSTS.of_subjects(control, owners):
        found.setdefault(each.subject, {})[int(each.body["version"])] = VersionCost.from_json(each.body)
    return found


def _champions(control: ControlStore) -> dict[str, int | None]:
    with control.transaction() as connection:
        return {model: each.champion for model, each in standings_in(connection).items()}


def _line(model: str, owner: str, costs: Mapping[int, VersionCost], champion: int | None) -> dict[str, Any]:
    currencies = {cost.prices.currency for cost in costs.values()}
    prices = next(iter(costs.values())).prices if costs else Prices()
    one = len(currencies) <= 1
    money, unknown = total(each for cost in costs.values() for each in _moneys(cost)) if one else (None, len(costs))
    seconds, untimed = total(part.seconds for cost in costs.values() for part in cost.spent)
    mine = costs.get(champion or 0)
    return {
        "model": model,
        "owner": owner,
        "versions": len(costs),
        "champion": champion,
        "currency": prices.currency if one else "",
        "trainings": {"seconds": seconds, "untimed": untimed, "money": money, "unpriced": unknown,
                      "words": told(money, unknown, prices) if one else "in several currencies"},
        "newest": _words(costs[max(costs)]) if costs else None,
        "thousand": None if mine is None else {"cpu_seconds": mine.thousand, "money": mine.thousand_money,
                                               "words": shown(mine.thousand_money, mine.prices)},
        "storage_month": None if mine is None else shown(mine.storage_month, mine.prices),
    }  # fmt: skip


def _moneys(cost: VersionCost) -> Iterable[float | None]:
    return (each.money(cost.prices) for each in cost.spent)


def _words(cost: VersionCost) -> dict[str, Any]:
    (seconds, untimed), prices = cost.seconds, cost.prices
    return {
        "seconds": seconds,
        "untimed": untimed,
        "training": told(*cost.training, prices),
        "thousand": shown(cost.thousand_money, prices),
        "storage_month": shown(cost.storage_month, prices),
    }
