"""Reading what `ControlStore.once` has done, and under which epoch a resource is held."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from include.core.control import effects, fences


def results_in(connection: sa.Connection, keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the effects of these keys returned, by key, the latest last; a key that never happened is left out."""
    if not keys:
        return {}
    query = sa.select(effects.c.key, effects.c.result).where(effects.c.key.in_(keys)).order_by(effects.c.at)
    return {row.key: dict(row.result) for row in connection.execute(query)}


def epoch_in(connection: sa.Connection, resource: str) -> int:
    """The epoch of a resource's present holder; 0 before the first. Who acts under it is refused once another one took it."""
    epoch = connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == resource)).scalar()
    return int(epoch or 0)
