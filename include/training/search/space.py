"""Points of a space: drawn alike, on a grid, and beside another one. Pure functions of a seed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping

from include.core.json_types import Json
from include.core.spec.search import Choice, Float, Integer, Space

Point = dict[str, Json]

RESAMPLE = 0.25  # Jaderberg et al. 2017, Population Based Training of Neural Networks, appendix A.2
FACTORS = (0.8, 1.2)


def drawn(space: Mapping[str, Space], chance: random.Random) -> Point:
    """A point drawn alike from each range, by its scale."""
    return {name: _draw(space[name], chance) for name in sorted(space)}


def on_grid(space: Mapping[str, Space], trials: int, chance: random.Random) -> list[Point]:
    """Every combination in order, or as many as there are trials, drawn from them."""
    names = sorted(space)
    points: list[Point] = [
        dict(zip(names, values, strict=True)) for values in itertools.product(*(_values(space[n]) for n in names))
    ]
    return points if len(points) <= trials else chance.sample(points, trials)


def perturbed(space: Mapping[str, Space], point: Mapping[str, Json], chance: random.Random) -> Point:
    """Another point beside this one: "explore" of population based training.

    Each parameter that may change is drawn anew with probability .25, else a number is multiplied by .8 or 1.2, and a choice
    moves on to the value before or after it. Nothing leaves its bounds.
    """
    found = dict(point)
    for name in sorted(space):
        if space[name].perturb:
            found[name] = _draw(space[name], chance) if chance.random() < RESAMPLE else _beside(space[name], point[name], chance)
    return found


def own(space: Mapping[str, Space], params: Mapping[str, Json]) -> Point | None:
    """The point that the parameters are, where they name one of the space."""
    point = {name: params[name] for name in sorted(space) if name in params}
    return point if len(point) == len(space) and all(_holds(space[name], value) for name, value in point.items()) else None


def _holds(of: Space, value: Json) -> bool:
    if isinstance(of, Choice):
        return any(type(known) is type(value) and known == value for known in of.values)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(of, Float):
        return of.low <= value <= of.high
    return isinstance(value, int) and of.low <= value <= of.high and (value - of.low) % of.step == 0


def _draw(of: Space, chance: random.Random) -> Json:
    if isinstance(of, Choice):
        picked: Json = chance.choice(of.values)
        return picked
    if isinstance(of, Float):
        if of.log:
            return _within(of, math.exp(chance.uniform(math.log(of.low), math.log(of.high))))
        return chance.uniform(of.low, of.high)
    if of.log:
        drawn_at = math.exp(chance.uniform(math.log(of.low - 0.5), math.log(of.high + 0.5)))
        return min(max(round(drawn_at), of.low), of.high)
    return of.low + of.step * chance.randrange((of.high - of.low) // of.step + 1)


def _beside(of: Space, value: Json, chance: random.Random) -> Json:
    if isinstance(of, Choice):
        place = next(n for n, known in enumerate(of.values) if type(known) is type(value) and known == value)
        place += chance.choice((-1, 1))
        beside: Json = of.values[min(max(place, 0), len(of.values) - 1)]
        return beside
    moved = float(value) * chance.choice(FACTORS)  # type: ignore[arg-type]
    return _within(of, moved) if isinstance(of, Float) else _on_step(of, moved)


def _within(of: Float, value: float) -> float:
    return min(max(value, of.low), of.high)


def _on_step(of: Integer, value: float) -> int:
    last = (of.high - of.low) // of.step
    return of.low + of.step * min(max(round((value - of.low) / of.step), 0), last)


def _values(of: Space) -> tuple[Json, ...]:
    if isinstance(of, Choice):
        return of.values
    if isinstance(of, Integer):
        return tuple(range(of.low, of.high + 1, of.step))
    steps = [number / (of.points - 1) for number in range(of.points)]
    if of.log:
        return tuple(_within(of, of.low * (of.high / of.low) ** step) for step in steps)
    return tuple(_within(of, of.low + (of.high - of.low) * step) for step in steps)
