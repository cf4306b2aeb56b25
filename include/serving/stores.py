"""What the processes of a gateway read: routes, specs, and registered versions from the control store and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.routing.reader import Routes
from include.serving.models.loaded_model import LoadedModel, load_model
from include.serving.target import GATEWAY, served_by


class ReadsRoutes(Protocol):
    def read(self) -> Routes:
        """Model to generation and route; cheap where nothing has changed."""


class Stores:
    """`target`: what serves the models that this process serves; the routes of all others are none of its own."""

    def __init__(
        self,
        routes: ReadsRoutes,
        control: ControlStore,
        ledger: Ledger,
        load_spec: Callable[[str], ModelSpec],
        target: str = GATEWAY,
    ) -> None:
        self._routes, self._control, self._ledger, self.load_spec = routes, control, ledger, load_spec
        self._serves = served_by(target, load_spec)

    def read_routes(self) -> Routes:
        routes = self._routes.read()
        return routes if all(map(self._serves, routes)) else {model: routes[model] for model in routes if self._serves(model)}

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        return load_model(self._control, self._ledger, spec, version, scratch)
