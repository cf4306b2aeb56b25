"""The section `scoring`: what becomes of the scores that a batch gives to the entities of a partition."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import model_validator

from include.core.spec.base import Frozen


class Scoring(Frozen):
    """What becomes of a batch of scores beside its table (docs/scoring.md)."""

    defaults: bool = False
    """Whether the scores go to the online store as well, where the gateway finds them when no version, or no feature, is there to
    answer with. By default such a request is answered by the default score."""

    ttl: timedelta = timedelta(days=2)
    """The age from which such a score is not answered any more, from the moment that its row was asked for."""

    @model_validator(mode="after")
    def _of_some_length(self) -> Self:
        if self.ttl <= timedelta(0):
            raise ValueError(f"ttl: must be longer than nothing (seen: {self.ttl})")
        return self
