"""Bringing the days of a chunk online: those that are not there as they stand, all of them at once."""

from __future__ import annotations

from collections.abc import Mapping

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec import PartitionOwner
from include.features.online.catch_up import pending
from include.model_contract.definition import pins_of
from include.online_store.store import OnlineStore


def bring_online(
    spec: PartitionOwner,
    results: Mapping[Partition, Result],
    ledger: Ledger,
    control: ControlStore,
    settings: Settings,
    store: OnlineStore,
) -> list[Partition]:
    """The days that were brought online now: the others are, with all that routed models pin."""
    if not results:
        return []
    pins = pins_of(control, ledger, spec)
    made = {day.name: result for day, result in results.items()}
    days = pending(control, spec, results, made, pins, store)
    if days:
        from include.features.online.materialize import materialize_days  # Feast: not where all of it is online

        materialize_days(spec, [results[day] for day in days], ledger, settings, store)
    return days
