"""Which version answers whom: the route of a model, one row of the control store.

The gateway applies a route; the rollout machine writes it. Every write bumps the generation, so that
"the gateway serves generation g" says exactly which weights a request met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import sqlalchemy as sa

from include.core.control import ControlStore, routes
from include.core.errors import DataError
from include.core.request import Json
from include.core.time import timestamp
from include.routing.entity_hash import BUCKETS
from include.routing.split import Arm, Split


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
    experiment: Split | None = None  # between champion and challenger; there is no weight beside it

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 100:
            raise DataError("A route's weight is a percentage.", seen=self.weight, hint="use 0 to 100.")
        if self.weight and self.challenger is None:
            raise DataError("A route gives weight to a challenger it does not name.", seen=self.weight)
        if self.experiment is not None and (self.weight or self.champion is None or self.challenger is None):
            raise DataError("An experiment needs a champion and a challenger, and no rollout beside it.", seen=self.to_json())

    @property
    def live(self) -> bool:
        """Whether any version may answer: not before the first canary of the first rollout."""
        return self.champion is not None or self.weight > 0

    @property
    def needed(self) -> set[int]:
        """The versions without which a gateway does not apply the route."""
        return {version for version in (self.champion, self.challenger, self.shadow) if version is not None}

    @property
    def named(self) -> set[int]:
        """Every version that the route names: the features of each must be online."""
        return self.needed | ({self.previous} if self.previous is not None else set())

    def arm(self, unit: int) -> Arm:
        """Who answers an entity of that hash. Without a champion, the challenger answers all."""
        if self.weight and (unit % BUCKETS < self.weight * 100 or self.champion is None):
            return "challenger"
        return "champion"

    def draw(self, unit: int, who: str, hashed: Callable[[str, str], int]) -> tuple[Arm, str]:
        """The arm of an entity, and the experiment that drew it. `unit`: its hash for this model; `who`: what it is a hash of."""
        if self.experiment is None:
            return self.arm(unit), ""
        return self.experiment.place(hashed(who, self.experiment.salt))

    def to_json(self) -> dict[str, Json]:
        """Without an experiment as earlier releases wrote it."""
        value = asdict(self)
        return value if self.experiment is not None else {name: each for name, each in value.items() if name != "experiment"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        split = value.get("experiment")
        return cls(**{**value, "experiment": None if split is None else Split(**split)})


def read_route(control: ControlStore, model: str) -> tuple[int, Route]:
    """Generation and route of a model; generation 0 and an empty route before the first rollout."""
    with control.transaction() as connection:
        return route_in(connection, model)


def route_in(connection: sa.Connection, model: str) -> tuple[int, Route]:
    """The same, inside the caller's transaction."""
    row = connection.execute(sa.select(routes.c.generation, routes.c.route).where(routes.c.model == model)).first()
    return (row.generation, Route.from_json(row.route)) if row else (0, Route())


def lock_route(connection: sa.Connection, model: str) -> None:
    """Until the caller's transaction ends nobody else who asks for this opens anything that holds the model's traffic.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"route/{model}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def set_at(control: ControlStore, model: str) -> str:
    """When a model's route was written last: ISO 8601, UTC; empty before the first rollout."""
    with control.transaction() as connection:
        return connection.execute(sa.select(routes.c.at).where(routes.c.model == model)).scalar() or ""


def models_in(connection: sa.Connection) -> set[str]:
    """The models that have a route."""
    return set(connection.execute(sa.select(routes.c.model).distinct()).scalars())


def begin_route(connection: sa.Connection, model: str, route: Route, generation: int) -> None:
    """The first route of a model, under a generation of the caller's choice: a gateway of one version alone has no other."""
    connection.execute(routes.insert().values(model=model, generation=generation, route=route.to_json(), at=timestamp()))


def set_route(connection: sa.Connection, model: str, route: Route) -> int:
    """Write a model's route in the caller's transaction (of `ControlStore.once`); returns the new generation."""
    values = {"route": route.to_json(), "at": timestamp()}
    generation = route_in(connection, model)[0] + 1
    if generation == 1:
        connection.execute(routes.insert().values(model=model, generation=1, **values))
    else:
        connection.execute(routes.update().where(routes.c.model == model).values(generation=generation, **values))
    return generation
