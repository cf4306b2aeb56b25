"""The stages a rollout walks through, from the spec. The machine persists them when a rollout opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from include.core.spec import ModelSpec

if TYPE_CHECKING:
    from include.routing.route import Route


@dataclass(frozen=True)
class RolloutStage:
    """One stage: the challenger's weight in percent, and whether it sees a copy of the traffic."""

    name: str
    weight: int = 0
    shadow: bool = False

    @property
    def judged(self) -> bool:
        """Whether it is decided on traffic, whole or copied; the smoke test has none."""
        return self.shadow or self.weight > 0

    def route(self, champion: int | None, challenger: int, previous: int | None) -> Route:
        """The route while the stage lasts."""
        from include.routing.route import Route  # SQLAlchemy: the DAG files read the stages, too

        return Route(champion, challenger, self.weight, challenger if self.shadow else None, previous)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)


def rollout_stages(spec: ModelSpec) -> tuple[RolloutStage, ...]:
    """smoke, shadow, canary_5, canary_20, full_100 for the default steps; blue/green has smoke, shadow, full_100.

    The same without a champion (the first rollout ever): only the judge then has nothing to compare with,
    and says so in its reasons.
    """
    steps = tuple(RolloutStage("full_100" if step == 100 else f"canary_{step}", weight=step) for step in spec.rollout.weights)
    return (RolloutStage("smoke"), RolloutStage("shadow", shadow=True), *steps)
