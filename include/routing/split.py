"""The arms of an experiment, as a part of its model's route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from include.core.errors import DataError
from include.routing.entity_hash import BUCKETS

Arm = Literal["champion", "challenger"]


@dataclass(frozen=True)
class Split:
    """An experiment's arms: by a hash of the entity under a salt of its own, so that they are independent of a rollout's.

    `enrolled`: the buckets of the entities that are in it, of BUCKETS; of them those below `treated` are the treatment's.
    """

    id: str
    salt: str
    enrolled: int
    treated: int

    def __post_init__(self) -> None:
        if not 0 < self.treated < self.enrolled <= BUCKETS:
            raise DataError("An experiment needs two arms.", seen=vars(self), hint=f"use 0 < treated < enrolled <= {BUCKETS}.")

    def place(self, unit: int) -> tuple[Arm, str]:
        """The arm of an entity of that hash under the salt, and the experiment's id: empty where it is not enrolled."""
        bucket = unit % BUCKETS
        return "challenger" if bucket < self.treated else "champion", self.id if bucket < self.enrolled else ""
