"""Every model's route, as a gateway asks for it many times a second."""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa

from include.core.control import ROUTE, ControlStore, routes
from include.core.kept_rows import KeptRows
from include.core.request import Json
from include.routing.route import Route

Routes = dict[str, tuple[int, Route]]
"""By model: the generation and the route."""


def read_routes(control: ControlStore) -> Routes:
    """Every model's generation and route. One short query: the gateway asks ten times a second."""
    with control.transaction() as connection:
        rows = connection.execute(sa.select(routes.c.model, routes.c.generation, routes.c.route)).all()
    return {row.model: (row.generation, Route.from_json(row.route)) for row in rows}


class RouteReader:
    """`read_routes` for a gateway that asks twenty times a second: where nothing has changed, a few microseconds.

    Keeps one connection, and decodes the rows only where they may have changed.
    """

    def __init__(self, control: ControlStore) -> None:
        self._rows = KeptRows(control, "SELECT model, generation, route FROM slipstream_routes")
        self._routes: Routes = {}

    def read(self) -> Routes:
        """Every model's generation and route. Raises what the database raises."""
        rows = self._rows.read()
        if rows is not None:
            self._routes = {model: (generation, Route.from_json(_decoded(route))) for model, generation, route in rows}
        return self._routes

    def close(self) -> None:
        self._rows.close()


def _decoded(value: str | Mapping[str, Json]) -> Mapping[str, Json]:
    """A JSON column as its driver gives it: SQLite as text."""
    return ROUTE.read(json.loads(value) if isinstance(value, str) else value)
