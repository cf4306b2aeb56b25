"""How many worker processes fit a model together: a number, or the bounds within which they may come and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen


class Workers(Frozen):
    """Between how many and how many workers a fit goes on while the machines of its cluster come and go."""

    minimum: int = Field(1, ge=1)
    """The fit waits for as many. With fewer it would rather wait than go on."""

    maximum: int = Field(1, ge=1)
    """No more than these are used, however many machines there are."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum={self.minimum} is above maximum={self.maximum}")
        return self

    @classmethod
    def of(cls, value: object) -> Workers:
        """What a spec or a request says: a number is both bounds."""
        if isinstance(value, Workers):
            return value
        if isinstance(value, Mapping):
            return cls(**value)
        number = int(str(value))
        return cls(minimum=number, maximum=number)

    @property
    def elastic(self) -> bool:
        return self.minimum < self.maximum

    def __str__(self) -> str:
        return f"{self.minimum} to {self.maximum}" if self.elastic else str(self.maximum)


Count = Annotated[int, Field(ge=1)]
