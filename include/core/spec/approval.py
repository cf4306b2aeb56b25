"""The section `rollout.approval`: who must say yes before a version gets traffic, by when, and what then."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen


class Approval(Frozen):
    """Persons who must approve a version before it goes on (docs/approval.md). Whoever triggered its training is none of them."""

    before: Literal["none", "traffic", "full"] = "full"
    """Before what: `traffic`, any request of a caller, a mirrored copy included (the smoke test asks with our own); `full`, the
    stage in which it answers everybody, which is any canary of a model without a champion. `none`: nobody is asked."""

    persons: int = Field(1, ge=1, le=2)
    """How many different persons must approve."""

    role: str = Field("", max_length=63)
    """The role that a person must have, of those that `SLIPSTREAM_APPROVERS` lists with their users. By default none: whoever
    Airflow lets answer requests of the model's rollout DAG may approve."""

    users: tuple[str, ...] = Field((), max_length=50)
    """Users who may approve, by Airflow's id or name of them, beside those of `role`. By default nobody is named."""

    deadline: timedelta = Field(timedelta(days=3), gt=timedelta(0))
    """How long persons have, from the moment at which they are asked. A pause of the rollout does not count."""

    at_deadline: Literal["roll_back", "wait"] = "roll_back"
    """What happens at the deadline: roll back, or send an alert and wait on."""

    @model_validator(mode="after")
    def _enough_persons(self) -> Self:
        if any(not name.strip() for name in self.users):
            raise ValueError("users holds an empty name")
        if self.users and not self.role and len({name.strip().casefold() for name in self.users}) < self.persons:
            raise ValueError(f"users names fewer than the {self.persons} persons who must approve")
        return self
