"""Since when a route is in force on a serving target that is moved from here: what was seen of it, once a route.

Gateways report themselves (include/routing/gateways.py). An endpoint elsewhere does not: who saw that it follows says so here.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.versioned import Format

APPLIED = DocumentKind("target", Format("what a serving target was seen to follow"))


def note_applied(control: ControlStore, model: str, generation: int, config: str) -> None:
    """The route was seen to be in force just now. The first who says so is believed."""
    APPLIED.save(control, _key(model, generation), model, {"generation": generation, "config": config})


def applied_at(control: ControlStore, model: str, generation: int) -> str:
    """When the route was first seen to be in force on the model's target: UTC, ISO 8601; empty before."""
    found = APPLIED.load(control, _key(model, generation))
    return found.at if found is not None else ""


@dataclass(frozen=True)
class Applied:
    """What a target was seen to follow. `at`: since when, UTC, ISO 8601. `config`: what the target calls it."""

    generation: int
    config: str
    at: str


def newest_applied(control: ControlStore, model: str) -> Applied | None:
    """The last generation that was seen to be in force on the model's target; None for none, as of a model of gateways."""
    found = max(APPLIED.about(control, model), key=lambda each: int(each.body["generation"]), default=None)
    return Applied(int(found.body["generation"]), str(found.body["config"]), found.at) if found is not None else None


def applied(control: ControlStore, model: str) -> int:
    """Its number; 0 for none."""
    found = newest_applied(control, model)
    return found.generation if found is not None else 0


def _key(model: str, generation: int) -> str:
    return f"applied/{model}/{generation}"
