"""What the processes of a gateway read: routes, specs, and registered versions from the control store and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from include.core.control import ControlStore
from include.core.errors import SlipstreamError
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.routing.reader import Routes
from include.serving.models.loaded_model import LoadedModel, load_model
from include.serving.target import GATEWAY


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
        self._target = target
        self._own: dict[str, bool] = {}  # by model, whether it is served here: specs do not change while a process lives

    def read_routes(self) -> Routes:
        routes = self._routes.read()
        if self._own.keys() != routes.keys():
            self._own = {model: self._own[model] if model in self._own else self._is_own(model) for model in routes}
        return routes if all(self._own.values()) else {model: routes[model] for model in routes if self._own[model]}

    def _is_own(self, model: str) -> bool:
        try:
            return self.load_spec(model).serving.target == self._target
        except SlipstreamError:  # whoever loads it says why
            return True

    def load(self, spec: ModelSpec, version: int, scratch: Path) -> LoadedModel:
        return load_model(self._control, self._ledger, spec, version, scratch)
