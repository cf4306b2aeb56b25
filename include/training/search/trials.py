"""The trials of a search as they are known at some moment of its replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from include.core.json_types import Json
from include.training.search.records import Decision, Found, Leg


@dataclass
class Trial:
    """One trial: its legs in order, each with what it came to (None while it runs)."""

    number: int
    legs: list[tuple[Leg, Found | None]] = field(default_factory=list)
    donors: list[int | None] = field(default_factory=list)  # of each leg: the trial whose weights it went on with

    @property
    def params(self) -> dict[str, Json]:
        """Its present parameters: population based training changes them."""
        return dict(self.legs[-1][0].params)

    @property
    def running(self) -> bool:
        return self.legs[-1][1] is None

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        found = self.legs[-1][1]
        return found.error if found is not None else ""

    @property
    def points(self) -> list[tuple[int, float]]:
        """(epochs, loss) at each rung that it was measured at. Of a metric that is better where it is more, its negative."""
        return [(leg.until, found.value) for leg, found in self.legs if found is not None and found.value is not None]

    @property
    def reached(self) -> int:
        """The epochs of its last rung; 0 before the first."""
        return max((until for until, _ in self.points), default=0)

    @property
    def loss(self) -> float:
        """At its last rung; infinite before the first, and of a trial that failed."""
        points = self.points
        return points[-1][1] if points and not self.error else float("inf")

    @property
    def ended(self) -> bool:
        """Whether its fit has ended by itself before it had to."""
        leg, found = self.legs[-1]
        return found is not None and not found.error and found.epochs < leg.until


@dataclass
class Trials:
    """All trials so far, by their number. `whole`: the epochs of a whole fit."""

    whole: int
    all: dict[int, Trial] = field(default_factory=dict)
    told: int = 0  # findings that are known
    spent: int = 0  # epochs of all legs that were begun
    seconds: float = 0.0  # of the legs that are over
    curve: list[tuple[int, float]] = field(default_factory=list)  # (epochs of the legs that are over, least loss until then)
    over: dict[str, tuple[Leg, Found]] = field(default_factory=dict)  # legs and what they came to, by key
    _epochs: int = 0

    def begin(self, decision: Decision) -> Leg:
        """The leg that a decision asks for."""
        trial = self.all.setdefault(decision.trial, Trial(decision.trial))
        before = trial.legs[-1][0] if trial.legs else None
        if before is not None and decision.donor is not None:  # which may have gone further by now
            before = next(leg for leg, _ in self.all[decision.donor].legs if leg.until == before.until)
        params = dict(decision.params)
        donor = dict(before.params) if before is not None and dict(before.params) != params else None
        start, parent = (before.until, before.key) if before is not None else (0, "")
        leg = Leg(params, decision.until, start, parent, donor)
        trial.legs.append((leg, None))
        trial.donors.append(decision.donor)
        self.spent += leg.until - leg.start
        return leg

    def tell(self, number: int, found: Found) -> None:
        """What the leg that a trial is in came to."""
        trial = self.all[number]
        leg = trial.legs[-1][0]
        trial.legs[-1] = (leg, found)
        self.told += 1
        self.seconds += found.seconds
        self.over[leg.key] = leg, found
        self._epochs += leg.until - leg.start
        least = self.curve[-1][1] if self.curve else float("inf")
        if found.value is not None and found.value < least:
            self.curve.append((self._epochs, found.value))

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.all[number] for number in sorted(self.all))

    def __len__(self) -> int:
        return len(self.all)

    def best(self) -> Trial | None:
        """The best of those that have gone the furthest; None if none was measured."""
        furthest = max((trial.reached for trial in self if not trial.error), default=0)
        candidates = [trial for trial in self if furthest and not trial.error and trial.reached == furthest]
        return min(candidates, key=lambda trial: (trial.loss, trial.number), default=None)
