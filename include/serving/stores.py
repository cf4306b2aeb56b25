"""What the processes of a gateway read: specs, and registered versions from the control store and the ledger."""

from __future__ import annotations

from pathlib import Path

from include.core.catalog import load_spec
from include.core.control import ControlStore
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.routing.route import RouteReader
from include.serving.models.deployment_manager import Routes
from include.serving.models.loaded_model import LoadedModel, load_model


class Stores:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.control = ControlStore(settings.control_url)
        self.control.create_tables()
        self._ledger = Ledger(settings.storage())
        self._routes = RouteReader(self.control)

    def read_routes(self) -> Routes:
        routes: Routes = self._routes.read()
        return routes

    def load_spec(self, model: str) -> ModelSpec:
        return load_spec(model, self.settings.models)

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        return load_model(self.control, self._ledger, spec, version, scratch)
