"""What the gateway serves for one model at one moment: an immutable snapshot, swapped as one reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from include.core.spec import ModelSpec, View
from include.routing.route import Route
from include.serving.http.request_error import RequestError
from include.serving.models.computing import Computing
from include.serving.models.loaded_model import LoadedModel


@dataclass(frozen=True)
class Deployment:
    spec: ModelSpec
    route: Route
    generation: int  # of the route; 0 where a version it needs was refused
    models: Mapping[int, LoadedModel] = field(default_factory=dict)
    cold: bool = False  # the route is known, and nothing is loaded until somebody asks

    def candidates(self, arm: str) -> Iterator[tuple[str, int]]:
        """Who may answer, best first: (name of the role, version)."""
        roles = ("champion", "previous") if arm == "champion" else ("challenger", "champion", "previous")
        for role in roles:
            version = getattr(self.route, role)
            if version is not None:
                yield role, version

    @cached_property
    def views(self) -> dict[str, tuple[View, ...]]:
        """What the loaded versions read online: one set of views, or several while their definitions change, or those of what is
        computed of a request."""
        return {self.reads(version): self.models[version].views or self.spec.features.views for version in self.models} or {
            "": self.spec.features.views
        }

    def read_of(self, owner: str) -> list[tuple[View, ...]]:
        """The same views, those alone that lie under the name of a model or a feature set."""
        found = (tuple(view for view in views if view.owner(self.spec.name) == owner) for views in self.views.values())
        return [views for views in found if views]

    @cached_property
    def _reads(self) -> dict[int, str]:
        return {version: _named(model) for version, model in self.models.items()}

    @cached_property
    def computing(self) -> dict[str, Computing]:
        """What the versions of each set of views compute of a request; empty where none does."""
        found = {self.reads(version): model.computing for version, model in self.models.items()}
        return {reads: each for reads, each in found.items() if each is not None}

    def compute(self, rows: Mapping[str, dict[str, Any]], moment: datetime) -> bool:
        """Fill in what is computed of one item, in its row for each set; whether that could be done."""
        done = [self.computing[reads](row, moment) for reads, row in rows.items() if reads in self.computing]
        return all(done)

    @cached_property
    def remote(self) -> bool:
        """Whether a version that may answer is on another server: the one thing that a request asks to know it."""
        asked = (self.route.champion, self.route.challenger, self.route.previous)
        return any(model.remote is not None for version, model in self.models.items() if version in asked)

    def reads(self, version: int) -> str:
        """Which set of views a loaded version reads; of one that is not loaded any."""
        return self._reads[version] if version in self._reads else next(iter(self._reads.values()), "")

    def arm_reads(self, arm: str) -> str:
        """Which set the version reads that answers an arm."""
        return self.reads(next((version for _, version in self.candidates(arm) if version in self.models), -1))

    @property
    def ready(self) -> bool:
        """Whether the version that answers by default is loaded."""
        first = self.route.champion if self.route.champion is not None else self.route.challenger
        return first in self.models

    @property
    def bytes(self) -> int:
        return sum(model.bytes for model in self.models.values())


def _named(model: LoadedModel) -> str:
    """Versions that read the same views and compute the same of a request are fed with the same rows."""
    views = ",".join(f"{view.name}@{view.version}" for view in model.views or () if view.version)
    return views if model.computing is None else f"{views}|{model.computing.digest}"


def check_live(deployment: Deployment) -> None:
    """Raises RequestError (404) where no version may answer yet."""
    if not deployment.route.live:
        model = deployment.spec.name
        raise RequestError(
            404, f"No version of {model} is in service yet.", field="model", value=model, allowed="roll one out first"
        )
