"""Who suggests the parameters of the next trial: of the seed, its number and what is known then, and of nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from include.core.adapters import adapter
from include.core.json_types import Json
from include.core.spec.search import Search
from include.training.search.schedulers import Suggest
from include.training.search.space import Point, drawn, on_grid, own
from include.training.search.trials import Trial, Trials


@dataclass(frozen=True)
class Seen:
    """A trial as one who suggests sees it. `points`: (epochs, loss), less is better."""

    point: Point
    points: Sequence[tuple[int, float]]
    state: Literal["whole", "part", "running", "failed"]


Tpe = Callable[[Search, int, Sequence[Seen]], Point]
"""The port of a tree of Parzen estimators: the point of the trial of that number."""


def suggester(search: Search, base: Mapping[str, Json]) -> Suggest:
    """`base`: the spec's own parameters. `tpe` tries them first, as what is to be beaten, where they are a point of the space."""
    if search.algorithm == "grid":
        points = on_grid(search.space, search.trials, random.Random(search.seed))
        return lambda trials: {**base, **points[len(trials)]} if len(trials) < len(points) else None
    if search.algorithm == "random":
        return lambda trials: {**base, **drawn(search.space, _chance(search, len(trials)))}
    tpe: Tpe = adapter("search.tpe")
    begun = own(search.space, base)
    return lambda trials: {**base, **((None if len(trials) else begun) or _learnt(search, trials, tpe))}


def _learnt(search: Search, trials: Trials, tpe: Tpe) -> Point:
    if len(trials) < search.startup:
        return drawn(search.space, _chance(search, len(trials)))
    return tpe(search, len(trials), [_seen(search, trials, trial) for trial in trials])


def _seen(search: Search, trials: Trials, trial: Trial) -> Seen:
    state: Literal["whole", "part", "running", "failed"] = "part"
    if trial.error:
        state = "failed"
    elif not trial.points:
        state = "running"
    elif trial.reached >= trials.whole or trial.ended:
        state = "whole"
    return Seen({name: trial.params[name] for name in search.space}, trial.points, state)


def _chance(search: Search, number: int) -> random.Random:
    return random.Random(f"{search.seed}/{number}")
