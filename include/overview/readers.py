"""Who reads the views of a model or a feature set: models by their specs, and routed versions by what they pin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from include.core.control import ControlStore
from include.core.errors import SlipstreamError, one_line
from include.core.ledger import Ledger
from include.core.spec import ModelSpec
from include.model_contract.definition import readers
from include.routing.route import read_route


@dataclass(frozen=True)
class LiveReader:
    """A routed version of a model that was trained on one version of a view."""

    model: str
    version: int
    roles: tuple[str, ...]  # champion, challenger, shadow, previous
    pins: str  # the version of the view
    kept: bool  # whether that can be computed by what the version brought, whatever the code says

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version, "roles": list(self.roles), "pins": self.pins, "kept": self.kept}


@dataclass(frozen=True)
class Readers:
    """Of all views of the installation."""

    specs: Mapping[str, ModelSpec]  # of the models that can be loaded
    broken: Mapping[str, str]  # why each of the others cannot
    live: Mapping[tuple[str, str, str], list[tuple[str, int, bool]]]  # by owner, view and version of the view
    roles: Mapping[tuple[str, int], tuple[str, ...]]

    def models(self, owner: str, view: str) -> list[str]:
        """Whose specs read the view."""
        found = ((name, each) for name, spec in self.specs.items() for each in spec.features.views)
        return sorted({name for name, each in found if each.name == view and each.owner(name) == owner})

    def live_of(self, owner: str, view: str) -> list[LiveReader]:
        """The routed versions that read it, whatever version of it they pin."""
        found = [
            LiveReader(model, number, self.roles.get((model, number), ()), pins, kept)
            for (whose, name, pins), held in self.live.items()
            if (whose, name) == (owner, view)
            for model, number, kept in held
        ]
        return sorted(found, key=lambda each: (each.model, each.version))


def find_readers(
    models: Iterable[str], load: Callable[[str], ModelSpec], control: ControlStore | None, ledger: Ledger
) -> Readers:
    """Reads every model's spec, every route, and the signatures of the versions that they name."""
    specs, broken = dict[str, ModelSpec](), dict[str, str]()
    for name in models:
        try:
            specs[name] = load(name)
        except SlipstreamError as error:
            broken[name] = one_line(error)
    if control is None:
        return Readers(specs, broken, {}, {})
    live = readers(control, ledger)
    named = {model for held in live.values() for model, _, _ in held}
    return Readers(specs, broken, live, {key: roles for model in named for key, roles in _roles(control, model).items()})


def _roles(control: ControlStore, model: str) -> dict[tuple[str, int], tuple[str, ...]]:
    _, route = read_route(control, model)
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for role in ("champion", "challenger", "shadow", "previous"):
        version = getattr(route, role)
        if version is not None:
            found[model, version] = (*found.get((model, version), ()), role)
    return found
