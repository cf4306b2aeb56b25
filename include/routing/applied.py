"""Since when a route is in force on a serving target that is moved from here: what was seen of it, once a route.

Gateways report themselves (include/routing/gateways.py). An endpoint elsewhere does not: who saw that it follows says so here.
"""

from __future__ import annotations

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


def applied(control: ControlStore, model: str) -> int:
    """The last generation that was seen to be in force on the model's target; 0 for none."""
    return max((int(each.body["generation"]) for each in APPLIED.about(control, model)), default=0)


def _key(model: str, generation: int) -> str:
    return f"applied/{model}/{generation}"
