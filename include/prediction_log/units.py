"""What a record of the prediction log may hold in `unit` for an entity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from include.core.entity_key import entity_key, pseudonym
from include.core.settings import Settings
from include.routing.entity_hash import entity_id, unit

Units = Callable[[Sequence[str]], set[str]]
"""Of an entity's keys as text, in the spec's order."""


def units_of(settings: Settings, model: str) -> Units:
    """The hash under the installation's secret, and the plain one that earlier releases wrote."""

    def units(values: Sequence[str]) -> set[str]:
        number = unit(entity_id(values), model)
        return {pseudonym(entity_key(settings.home, settings.environ), number), f"{number:016x}"}

    return units
