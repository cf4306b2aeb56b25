"""What is fixed before an experiment starts: nothing of it is chosen after the first outcome was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from include.core.spec import Experiment
from include.core.time import parse_time
from include.experiments.sample_size import Promise

A_DAY, A_WEEK = timedelta(days=1), timedelta(weeks=1)


@dataclass(frozen=True)
class Look:
    """The `day`-th look: of every entity that came in as many days the whole horizon is over by `cutoff` (UTC, without zone)."""

    day: int
    cutoff: datetime
    final: bool


@dataclass(frozen=True)
class Plan:
    """`planned`: the entities of both arms that are expected by the end; the interval is narrowest for as many.

    `promise`: what was said of the power, None where nothing was known of the traffic.
    """

    experiment: Experiment
    start: datetime  # UTC, without zone
    salt: str
    planned: float
    promise: Promise | None

    @property
    def until(self) -> datetime:
        """The end of the last week: who comes later is in no arm."""
        return self.start + self.experiment.weeks * A_WEEK

    @property
    def end(self) -> datetime:
        """When the last entity's horizon is over: the moment of the last look."""
        return self.until + self.experiment.horizon

    def due(self, moment: datetime) -> Look | None:
        """The last look whose cutoff is over by then; None before the first."""
        days = min((moment - self.start - self.experiment.horizon) // A_DAY, 7 * self.experiment.weeks)
        return self.look(days) if days >= 1 else None

    def look(self, day: int) -> Look:
        return Look(day, self.start + self.experiment.horizon + day * A_DAY, day == 7 * self.experiment.weeks)

    def to_json(self) -> dict[str, Any]:
        return {
            "experiment": self.experiment.model_dump(mode="json"),
            "start": self.start.isoformat(),
            "salt": self.salt,
            "planned": self.planned,
            "promise": None if self.promise is None else self.promise.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        promise = value["promise"]
        return cls(
            Experiment.model_validate(value["experiment"]),
            parse_time(value["start"]),
            value["salt"],
            value["planned"],
            None if promise is None else Promise(**promise),
        )
