"""The search itself: what is decided in which order follows from the records alone, so a killed one goes on as it would have.

Trials that run at once end at different moments on every machine. What they came to is therefore taken in the order of a clock
that counts epochs, not seconds: a leg of three epochs ends before one of four that began with it. So who is suggested, promoted
and copied is the same on any machine and after any kill, and a decision that was recorded is the one that would be made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from include.core.errors import CodeError, one_line
from include.core.spec.search import Search
from include.training.search.records import Decision, Found, Leg, Records
from include.training.search.schedulers import Scheduler, Suggest
from include.training.search.trials import Trial, Trials

log = logging.getLogger(__name__)

HOPELESS = 10  # trials: where so many have failed and none has not, the search ends
REASONS = 3  # that an error shows


class Executor(Protocol):
    """Who runs legs. A leg that was found before is not run: its record is what it came to."""

    def submit(self, leg: Leg) -> None:
        """Begin it, unless it was begun."""

    def result(self, leg: Leg) -> Found:
        """Wait for what a leg comes to. Raises TransientError where that cannot be told now."""


class Unknown(Exception):
    """A leg that is not in the records yet, to who only reads them."""


@dataclass(frozen=True)
class Recorded:
    """Runs nothing: the search as far as its records go."""

    records: Records

    def submit(self, leg: Leg) -> None: ...

    def result(self, leg: Leg) -> Found:
        found = self.records.found(leg.key)
        if found is None:
            raise Unknown(leg.key)
        return found


@dataclass
class Engine:
    """One search, from its beginning to its end, whatever of it was done before."""

    search: Search
    scheduler: Scheduler
    suggest: Suggest
    records: Records
    executor: Executor
    trials: Trials
    heard: Callable[[Trials, Trial], None] = lambda *_: None  # after each finding
    _clock: int = field(default=0, init=False)
    _running: list[tuple[int, int, Leg]] = field(default_factory=list, init=False)  # (end, trial, leg)
    _number: int = field(default=1, init=False)  # of the next decision

    def run(self) -> Trials:
        """Raises CodeError where all trials fail."""
        while True:
            self._fill()
            if not self._running:
                break
            self._running.sort(key=lambda each: each[:2])
            ends, number, leg = self._running.pop(0)
            found = self._stopped(leg) or self.executor.result(leg)
            self._clock = ends
            self.trials.tell(number, found)
            self.heard(self.trials, self.trials.all[number])
            if len(self.trials) >= HOPELESS:
                self._require_some()
        self._require_some()
        return self.trials

    def read(self) -> Trials:
        """As far as the records go; the executor is one that only reads them."""
        try:
            return self.run()
        except Unknown:
            return self.trials

    def _fill(self) -> None:
        while len(self._running) < self.search.concurrent:
            decision = self._decision()
            if decision is None:
                return
            self._number += 1
            leg = self.trials.begin(decision)
            stopped = self._stopped(leg) is not None
            self._running.append((self._clock + (1 if stopped else leg.until - leg.start), decision.trial, leg))
            if not stopped:
                self.executor.submit(leg)

    def _decision(self) -> Decision | None:
        """The next one: the recorded one if there is one, which may be due only after the next finding."""
        recorded = self.records.decision(self._number)
        if recorded is not None:
            return recorded if recorded.after <= self.trials.told or not self._running else None
        if isinstance(self.executor, Recorded):
            return None
        made = self.scheduler.next(self.trials, self.suggest)
        return None if made is None else self.records.decide(self._number, made)

    def _stopped(self, leg: Leg) -> Found | None:
        """What the leg comes to where the fit that it goes on with has ended by itself: what that came to."""
        before = self.trials.over.get(leg.parent)
        if before is None or before[1].epochs >= before[0].until:
            return None
        return Found(before[1].value, before[1].epochs, [], 0.0)

    def _require_some(self) -> None:
        """Raises CodeError unless a trial was measured, or one runs."""
        if any(trial.points for trial in self.trials) or any(trial.running for trial in self.trials):
            return
        reasons = list(dict.fromkeys(trial.error for trial in self.trials if trial.error))
        raise CodeError(
            f"Every trial of the search failed: {len(self.trials)} of {len(self.trials)}.",
            seen=[one_line(reason)[:300] for reason in reasons[:REASONS]],
            safe="nothing was chosen; the spec's own parameters stand.",
            hint="mend the fit, or leave what cannot be fitted out of training.search; training.params stand without tuning.",
        )
