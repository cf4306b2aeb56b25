"""Every model's route, as a gateway asks for it many times a second."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import sqlalchemy as sa

from include.core.control import ROUTE, ControlStore, routes
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

    Keeps one connection. SQLite tells by itself that another connection wrote; elsewhere the small table is read.
    """

    def __init__(self, control: ControlStore) -> None:
        self._engine = control.engine
        self._connection: sa.PoolProxiedConnection | None = None
        self._seen: tuple[object, ...] = ()
        self._routes: Routes = {}

    def read(self) -> Routes:
        """Every model's generation and route. Raises what the database raises."""
        try:
            return self._read()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._seen = None, ()

    def _read(self) -> Routes:
        lite, path = self._engine.dialect.name == "sqlite", self._engine.url.database
        state: tuple[object, ...] = ()
        if lite and path:
            file = os.stat(path)  # another file under the name is another database
            state = (file.st_dev, file.st_ino)
            if self._seen[:2] != state:
                self.close()
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            if not lite:
                self._connection.driver_connection.autocommit = True  # type: ignore[union-attr]
        cursor = self._connection.cursor()
        if lite:
            state += tuple(cursor.execute("PRAGMA data_version").fetchone())
            if state == self._seen:
                return self._routes
        cursor.execute("SELECT model, generation, route FROM slipstream_routes")
        rows = cursor.fetchall()
        cursor.close()
        self._routes = {model: (generation, Route.from_json(_decoded(route))) for model, generation, route in rows}
        self._seen = state
        return self._routes


def _decoded(value: str | Mapping[str, Json]) -> Mapping[str, Json]:
    """A JSON column as its driver gives it: SQLite as text."""
    return ROUTE.read(json.loads(value) if isinstance(value, str) else value)
