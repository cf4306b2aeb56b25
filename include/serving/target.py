"""What serves a model, behind one port: the gateways of this installation, or an endpoint of somebody else's.

Whoever moves traffic writes the route in the control store, and then waits here until it is seen to be in force. Gateways follow
the store by themselves; an endpoint elsewhere follows nothing, so that waiting for it is also what makes it follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from include.core.adapters import adapter
from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import Storage
from include.core.versioned import Format

if TYPE_CHECKING:
    from include.serving.client import Said

GATEWAY = "gateway"
APPLIED = DocumentKind("target", Format("what a serving target was seen to follow"))


class ServingTarget(Protocol):
    """What waits for a route, and asks one version by its number. include/serving/client.py is the gateways'."""

    def wait_applied(self, model: str, generation: int, timeout: float = ...) -> dict[str, Any]:
        """Wait until that generation of the model's route, or a later one, is in force. The answer holds "generation".

        Raises GateClosed where it cannot be, UnreachableError where it is not yet.
        """

    def columns(self, model: str, version: int) -> list[dict[str, str]]:
        """A version's inputs: [{"name", "dtype", "datatype"}]."""

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Said, float]:
        """What a version says to rows of named inputs, and the microseconds that it spent on them."""


class FollowingTarget(ServingTarget, Protocol):
    """One that is moved from here."""

    def advance(self, model: str) -> str:
        """One step towards the model's route, without waiting: what is under way, in words; empty where nothing is left to do.

        Raises GateClosed where the route cannot be applied.
        """


@dataclass(frozen=True)
class Stores:
    """What a target that is moved from here works with."""

    settings: Settings
    control: Callable[[], ControlStore]
    storage: Callable[[], Storage]
    aws: OpenAws


def open_target(spec: ModelSpec, stores: Stores) -> FollowingTarget:
    """The target of a model that this installation's gateways do not serve."""
    opener: Callable[[ModelSpec, Stores], FollowingTarget] = adapter(f"serving.{spec.serving.target}")
    return opener(spec, stores)


def applied_key(model: str, generation: int) -> str:
    return f"applied/{model}/{generation}"


def applied_at(control: ControlStore, model: str, generation: int) -> str:
    """When the route was first seen to be in force on the model's target: UTC, ISO 8601; empty before."""
    found = APPLIED.load(control, applied_key(model, generation))
    return found.at if found is not None else ""


def applied(control: ControlStore, model: str) -> int:
    """The last generation that was seen to be in force on the model's target; 0 for none."""
    return max((int(each.body["generation"]) for each in APPLIED.newest(control, model)), default=0)
