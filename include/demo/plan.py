"""The two tellings of the demonstration, as data: which days, how they are taken in, and what each phase may take.

Both tell the same story with the same spec and the same policy. The short one begins with less history: as the policy retrains
when enough new labels have come, measured by what the champion was trained on, its weeks are fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from include.demo.sabotage import Accident


@dataclass(frozen=True)
class Plan:
    """`history` and `replay` are first and last day, both included; `budget` is by phase, in seconds on two cores."""

    name: str
    history: tuple[date, date]
    replay: tuple[date, date]
    ranges: bool  # whether features are taken in by ranges of days; else by a run a day
    stop_at_retraining: bool  # whether the weeks end where the policy retrains; else the whole replay is watched
    rollout_pace: float  # requests a second while a rollout collects evidence
    accident: Accident  # what is wrong with the broken version
    caught_in: tuple[str, ...]  # the stages in which its rollout may end
    budget: Mapping[str, int]

    @property
    def as_of(self) -> date:
        """The moment of the first version: its history is over."""
        return self.history[1] + timedelta(days=1)

    def weeks(self) -> list[tuple[date, date]]:
        return list(weeks(*self.replay))


# Monday 11 March: 41 days to train on before the 28 of the holdout, and nine weeks to tell drift from the usual coming and going.
# The accident is not that of the long one: with less history, rescaling the hour moves scores by about the shadow's tolerance.
SHORT = Plan(
    name="short",
    history=(date(2013, 1, 1), date(2013, 3, 10)),
    replay=(date(2013, 3, 11), date(2013, 4, 21)),
    ranges=True,
    stop_at_retraining=True,
    rollout_pace=500.0,
    accident="inverted",
    caught_in=("shadow",),
    budget={"set-up": 30, "start": 50, "features": 20, "v1": 55, "weeks watched": 60, "v2": 65, "broken version": 20},
)

FULL = Plan(
    name="full",
    history=(date(2013, 1, 1), date(2013, 3, 31)),
    replay=(date(2013, 4, 1), date(2013, 6, 30)),
    ranges=False,
    stop_at_retraining=False,
    rollout_pace=220.0,
    accident="rescaled",
    caught_in=("shadow", "canary_5", "canary_20", "full_100"),
    budget={"set-up": 60, "start": 60, "features": 150, "v1": 120, "replay and v2": 360, "broken version": 45},
)

PLANS = {plan.name: plan for plan in (SHORT, FULL)}


def weeks(first: date, last: date) -> Iterator[tuple[date, date]]:
    """Seven days each, the last one shorter."""
    while first <= last:
        end = min(first + timedelta(days=6), last)
        yield first, end
        first = end + timedelta(days=1)
