"""Where every model's route stands. Apart from route.py, whose code is in the key of steps."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from include.core.control import routes
from include.routing.route import Route


class Standing(NamedTuple):
    generation: int
    champion: int | None


def standings_in(connection: sa.Connection) -> dict[str, Standing]:
    """By model."""
    rows = connection.execute(sa.select(routes.c.model, routes.c.generation, routes.c.route))
    return {row.model: Standing(row.generation, Route.from_json(row.route).champion) for row in rows}
