"""Which live rollouts have a stage that evidence is counted for: what every gateway asks about once a second, without a lock."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from include.core.control import ControlStore, rollout_stages, rollouts
from include.routing.route import route_in


@dataclass(frozen=True)
class LiveStage:
    """`generation` of the stage that has begun; `ahead`: the route is of a later one, which has not begun yet."""

    rollout: str
    model: str
    generation: int
    ahead: bool


def live_stages(control: ControlStore) -> list[LiveStage]:
    """Those of every model."""
    query = (
        sa.select(rollouts.c.id, rollouts.c.model, rollout_stages.c.generation)
        .join(rollout_stages, rollout_stages.c.rollout == rollouts.c.id)
        .where(rollouts.c.live.is_not(None))
    )
    with control.explaining(), control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = connection.execute(query.order_by(rollouts.c.id)).all()
        return [
            LiveStage(row.id, row.model, row.generation, route_in(connection, row.model)[0] > row.generation) for row in found
        ]
