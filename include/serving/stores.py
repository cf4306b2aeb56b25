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


class ReadsRoutes(Protocol):
    def read(self) -> Routes:
        """Model to generation and route; cheap where nothing has changed."""


class Stores:
    def __init__(self, routes: ReadsRoutes, control: ControlStore, ledger: Ledger, load_spec: Callable[[str], ModelSpec]) -> None:
        self._routes, self._control, self._ledger, self.load_spec = routes, control, ledger, load_spec

    def read_routes(self) -> Routes:
        return self._routes.read()

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        return load_model(self._control, self._ledger, spec, version, scratch)
