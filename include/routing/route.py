"""Which version answers whom: the route of a model, one row of the control store.

The gateway applies a route; the rollout machine writes it. Every write bumps the generation, so that
"the gateway serves generation g" says exactly which weights a request met.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Literal, Self

import sqlalchemy as sa

from include.core.control import ROUTE, ControlStore, routes
from include.core.errors import DataError
from include.core.request import Json
from include.core.time import timestamp

Arm = Literal["champion", "challenger"]
BUCKETS = 10_000


def unit(entity_id: str, model: str) -> int:
    """A stable 64-bit hash of an entity: the unit of randomisation, and of counting.

    The model is part of it, so an unlucky entity is not in every model's canary.
    """
    return int.from_bytes(blake2b(f"{model}\x1f{entity_id}".encode(), digest_size=8).digest())


def bucket(entity_id: str, model: str) -> int:
    """0 to 9999, the same for ever. A weight of w percent is the buckets below 100 w: raising it moves nobody back."""
    return unit(entity_id, model) % BUCKETS


@dataclass(frozen=True)
class Route:
    """The versions of one model that the gateway holds, and the challenger's share.

    The champion's weight is what the challenger's leaves: they add up to 100 by construction.
    """

    champion: int | None = None
    challenger: int | None = None
    weight: int = 0  # percent of the entities that the challenger answers
    shadow: int | None = None  # sees a copy of every request, answers none
    previous: int | None = None  # the champion before: what a rollback returns to

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 100:
            raise DataError("A route's weight is a percentage.", seen=self.weight, hint="use 0 to 100.")
        if self.weight and self.challenger is None:
            raise DataError("A route gives weight to a challenger it does not name.", seen=self.weight)

    @property
    def live(self) -> bool:
        """Whether any version may answer: not before the first canary of the first rollout."""
        return self.champion is not None or self.weight > 0

    def arm(self, unit: int) -> Arm:
        """Who answers an entity of that hash. Without a champion, the challenger answers all."""
        if self.weight and (unit % BUCKETS < self.weight * 100 or self.champion is None):
            return "challenger"
        return "champion"

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        return cls(**value)


def read_routes(control: ControlStore) -> dict[str, tuple[int, Route]]:
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
        self._routes: dict[str, tuple[int, Route]] = {}

    def read(self) -> dict[str, tuple[int, Route]]:
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

    def _read(self) -> dict[str, tuple[int, Route]]:
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


def _decoded(value: Any) -> Mapping[str, Json]:
    """A JSON column as its driver gives it: SQLite as text."""
    return ROUTE.read(json.loads(value) if isinstance(value, str) else value)


def read_route(control: ControlStore, model: str) -> tuple[int, Route]:
    """Generation and route of a model; generation 0 and an empty route before the first rollout."""
    with control.transaction() as connection:
        return route_in(connection, model)


def route_in(connection: sa.Connection, model: str) -> tuple[int, Route]:
    """The same, inside the caller's transaction."""
    row = connection.execute(sa.select(routes.c.generation, routes.c.route).where(routes.c.model == model)).first()
    return (row.generation, Route.from_json(row.route)) if row else (0, Route())


def set_route(connection: sa.Connection, model: str, route: Route) -> int:
    """Write a model's route in the caller's transaction (of `ControlStore.once`); returns the new generation."""
    values = {"route": route.to_json(), "at": timestamp()}
    generation = route_in(connection, model)[0] + 1
    if generation == 1:
        connection.execute(routes.insert().values(model=model, generation=1, **values))
    else:
        connection.execute(routes.update().where(routes.c.model == model).values(generation=generation, **values))
    return generation
