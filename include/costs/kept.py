"""What versions have cost, as it was counted when they were registered; anew where that was before costs were counted."""

from __future__ import annotations

from collections.abc import Iterable

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.request import Ref
from include.costs.prices import Prices
from include.costs.version import COSTS, VersionCost, count, key_of


def keep(control: ControlStore, model: str, version: int, cost: VersionCost) -> bool:
    """Under the version, once: by the prices of its day. Whether it is new."""
    return COSTS.save(control, key_of(model, version), model, {"version": version, **cost.to_json()})


def kept(control: ControlStore, model: str) -> dict[int, VersionCost]:
    """By version."""
    return {int(each.body["version"]): VersionCost.from_json(each.body) for each in COSTS.about(control, model)}


def kept_of(control: ControlStore, versions: Iterable[tuple[str, int]]) -> dict[str, VersionCost]:
    """Of one version of each of some models, by model."""
    keys = {key_of(model, version): model for model, version in versions}
    with control.transaction() as connection:
        return {keys[each.key]: VersionCost.from_json(each.body) for each in COSTS.load_in(connection, keys)}


def cost_of(
    control: ControlStore, ledger: Ledger, model: str, version: int, lineage: tuple[Ref, Ref, Ref], prices: Prices
) -> VersionCost:
    """As it was kept, else from the ledger, by today's prices. `lineage`: the fit, its training set, its evaluation."""
    found = COSTS.load(control, key_of(model, version))
    return VersionCost.from_json(found.body) if found is not None else count(ledger, *lineage, prices)
