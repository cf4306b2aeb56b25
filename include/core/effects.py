"""Reading what `ControlStore.once` has done, and noting what a caller's own transaction does once, ever."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from include.core.control import effects, fences, now
from include.core.request import Json


def results_in(connection: sa.Connection, keys: Collection[str]) -> dict[str, dict[str, Json]]:
    """What the effects of these keys returned, by key, the latest last; a key that never happened is left out."""
    if not keys:
        return {}
    query = sa.select(effects.c.key, effects.c.result).where(effects.c.key.in_(keys)).order_by(effects.c.at)
    return {row.key: dict(row.result) for row in connection.execute(query)}


def results_since(connection: sa.Connection, resource: str, since: str) -> list[dict[str, Json]]:
    """What the effects of a resource returned from a moment on (ISO 8601, UTC, milliseconds), oldest first."""
    mine = sa.and_(effects.c.resource == resource, effects.c.at >= since)
    query = sa.select(effects.c.result).where(mine).order_by(effects.c.at)
    return [dict(result) for result in connection.execute(query).scalars()]


def note_in(connection: sa.Connection, key: str, resource: str, result: dict[str, Json]) -> None:
    """Write down that this transaction does what the key names, of which there is no effect yet. Nothing is fenced."""
    connection.execute(effects.insert().values(key=key, resource=resource, epoch=0, result=result, at=now()))


def epoch_in(connection: sa.Connection, resource: str) -> int:
    """The epoch of a resource's present holder; 0 before the first. Who acts under it is refused once another one took it."""
    epoch = connection.execute(sa.select(fences.c.epoch).where(fences.c.resource == resource)).scalar()
    return int(epoch or 0)
