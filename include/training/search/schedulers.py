"""Who decides which trial goes on next, and how far. Pure functions of the trials as they are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

from include.core.json_types import Json
from include.core.spec.search import Search
from include.training.search.records import Decision
from include.training.search.space import perturbed
from include.training.search.trials import Trial, Trials

Suggest = Callable[[Trials], Mapping[str, Json] | None]
"""The whole parameters of the next trial; None where the grid is at its end."""

QUANTILE = 0.2  # of a population: the worst that go on with the weights of the best (Jaderberg et al. 2017)


class Scheduler(Protocol):
    def next(self, trials: Trials, suggest: Suggest) -> Decision | None:
        """What to begin now; None while there is nothing, until more is known or for good."""

    def rungs(self) -> list[int]:
        """The epochs at which trials are measured, rising."""


def scheduler_of(search: Search, whole: int) -> Scheduler:
    """`whole`: the epochs of a whole fit."""
    kinds: dict[str, Callable[[Search, int], Scheduler]] = {"none": Whole, "asha": Asha, "pbt": Population}
    return kinds[search.scheduler](search, whole)


class Whole:
    """Every trial is fitted to its end."""

    def __init__(self, search: Search, whole: int) -> None:
        self._search, self._whole = search, whole

    def rungs(self) -> list[int]:
        return [self._whole]

    def next(self, trials: Trials, suggest: Suggest) -> Decision | None:
        return _start(self._search, trials, suggest, self._whole)


class Asha:
    """Asynchronous successive halving: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, algorithm 2.

    Whenever there is room: of the highest rung that has one, the best trial among its best 1/reduction that was not promoted yet
    goes on to the next rung; where no rung has one, a new trial begins at the lowest.
    """

    def __init__(self, search: Search, whole: int) -> None:
        self._search = search
        self._rungs = [min(search.min_epochs, whole)]
        while self._rungs[-1] < whole:
            self._rungs.append(min(self._rungs[-1] * search.reduction, whole))

    def rungs(self) -> list[int]:
        return self._rungs

    def next(self, trials: Trials, suggest: Suggest) -> Decision | None:
        for lower, upper in reversed(list(zip(self._rungs, self._rungs[1:], strict=False))):
            promoted = self._promotable(trials, lower)
            if promoted is not None and _affordable(self._search, trials, upper - lower):
                return Decision("promote", promoted.number, upper, promoted.params, trials.told)
        return _start(self._search, trials, suggest, self._rungs[0])

    def _promotable(self, trials: Trials, rung: int) -> Trial | None:
        """The best trial of a rung's best that stands at that rung still."""
        measured = [(dict(trial.points)[rung], trial.number, trial) for trial in trials if rung in dict(trial.points)]
        measured.sort(key=lambda each: each[:2])
        top = (trial for _, _, trial in measured[: len(measured) // self._search.reduction])
        return next((trial for trial in top if not (trial.running or trial.error or trial.reached > rung)), None)


class Population:
    """Population based training: Jaderberg et al. 2017, with truncation selection.

    At each rung, once the whole population is there, each of its worst fifth goes on with the weights and parameters of one of
    the best fifth, drawn at random, and the parameters are perturbed. (The paper's members do not wait for each other. Here they
    do: who copies whom then depends on no clock.)
    """

    def __init__(self, search: Search, whole: int) -> None:
        self._search, self._whole = search, whole

    def rungs(self) -> list[int]:
        return [*range(self._search.interval, self._whole, self._search.interval), self._whole]

    def next(self, trials: Trials, suggest: Suggest) -> Decision | None:
        started = _start(self._search, trials, suggest, self.rungs()[0])
        if started is not None:
            return started
        for lower, upper in zip(self.rungs(), self.rungs()[1:], strict=False):
            waiting = self._waiting(trials, lower)
            if waiting is not None and _affordable(self._search, trials, upper - lower):
                return self._go_on(trials, waiting, lower, upper)
        return None

    def _waiting(self, trials: Trials, rung: int) -> Trial | None:
        """The first member that stands at a rung, once nobody is on the way to it."""
        members = [trial for trial in trials if not (trial.error and trial.legs[-1][0].until <= rung)]
        if any(trial.legs[-1][0].until == rung and trial.running for trial in members):
            return None
        return next((trial for trial in members if trial.legs[-1][0].until == rung), None)

    def _go_on(self, trials: Trials, member: Trial, rung: int, upper: int) -> Decision:
        ranked = sorted((dict(trial.points)[rung], trial.number) for trial in trials if rung in dict(trial.points))
        count = min(max(1, round(QUANTILE * len(ranked))), len(ranked) // 2)
        worst = {number for _, number in ranked[len(ranked) - count :]} if count else set()
        if member.number not in worst:
            return Decision("continue", member.number, upper, member.params, trials.told)
        chance = random.Random(f"{self._search.seed}/{rung}/{member.number}")
        donor = trials.all[chance.choice([number for _, number in ranked[:count]])]
        at_rung = next(leg for leg, _ in donor.legs if leg.until == rung)
        params = perturbed(self._search.space, at_rung.params, chance)
        return Decision("exploit", member.number, upper, params, trials.told, donor.number)


def _start(search: Search, trials: Trials, suggest: Suggest, until: int) -> Decision | None:
    if len(trials) >= search.trials or not _affordable(search, trials, until):
        return None
    params = suggest(trials)
    return None if params is None else Decision("start", len(trials), until, dict(params), trials.told)


def _affordable(search: Search, trials: Trials, epochs: int) -> bool:
    """Whether the budget has room for so many more epochs."""
    if search.epochs and trials.spent + epochs > search.epochs:
        return False
    if search.seconds and trials.seconds / search.concurrent >= search.seconds:
        return False
    return not search.cost or trials.seconds / 3600 * search.hourly_rate < search.cost
