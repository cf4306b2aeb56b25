"""What serves a model, behind one port: the gateways of this installation, or an endpoint of somebody else's.

Whoever moves traffic writes the route in the control store, and then waits here until it is seen to be in force. Gateways follow
the store by themselves; an endpoint elsewhere follows nothing, so that waiting for it is also what makes it follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from include.core.adapters import adapter
from include.core.control import ControlStore
from include.core.errors import SlipstreamError
from include.core.ports import OpenAws
from include.core.settings import Settings
from include.core.spec import ModelSpec
from include.core.storage import Storage

if TYPE_CHECKING:
    from include.serving.client import Said

GATEWAY = "gateway"


def served_by(target: str, load_spec: Callable[[str], ModelSpec]) -> Callable[[str], bool]:
    """Whether that target serves a model: each is asked about once, for specs do not change while a process lives."""

    @cache
    def serves(model: str) -> bool:
        try:
            return load_spec(model).serving.target == target
        except SlipstreamError:  # its folder is broken, and whoever loads it says so
            return True

    return serves


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
