"""A tree of Parzen estimators (Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization), as Optuna has it.

A sampler is made anew for each trial and told all that is known, in the order in which the trials began. What it suggests then
depends on no state that a kill could lose.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from include.core.json_types import Json
from include.core.spec.search import Choice, Float, Search, Space
from include.training.search.space import Point
from include.training.search.suggest import Seen

STATES = {"whole": TrialState.COMPLETE, "part": TrialState.PRUNED, "running": TrialState.RUNNING, "failed": TrialState.FAIL}


def suggest(search: Search, number: int, seen: Sequence[Seen]) -> Point:
    """The point of trial `number`. Of trials that went a part of the way, those that went further count as better."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = sorted(search.space)
    distributions = {name: _distribution(search.space[name]) for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the joint estimator is called experimental
        sampler = optuna.samplers.TPESampler(seed=search.seed * 1_000_003 + number, n_startup_trials=0, multivariate=True)
        study = optuna.create_study(direction="minimize", sampler=sampler)
        for each in seen:
            study.add_trial(_trial(search, each, distributions))
        asked = study.ask(distributions)
    return {name: _value(search.space[name], asked.params[name]) for name in names}


def _trial(search: Search, seen: Seen, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(
        state=STATES[seen.state],
        value=seen.points[-1][1] if seen.state == "whole" else None,
        params={name: _known(search.space[name], value) for name, value in seen.point.items()},
        distributions=dict(distributions),
        intermediate_values=dict(seen.points),
    )


def _distribution(of: Space) -> BaseDistribution:
    if isinstance(of, Choice):
        return CategoricalDistribution(list(range(len(of.values))))  # by its place: equal values of two types stay apart
    if isinstance(of, Float):
        return FloatDistribution(of.low, of.high, log=of.log)
    high = of.low + of.step * ((of.high - of.low) // of.step)
    return IntDistribution(of.low, high, log=of.log, step=of.step)


def _known(of: Space, value: Json) -> Json:
    """A value as its distribution knows it."""
    if not isinstance(of, Choice):
        return value
    return next(place for place, known in enumerate(of.values) if type(known) is type(value) and known == value)


def _value(of: Space, found: Any) -> Json:
    value: Json = of.values[found] if isinstance(of, Choice) else found
    return value
