"""How far apart groups are, with what the rows tell of it.

Of two groups the limits are put together by the distances of each figure to its own (Newcombe 1998 for a difference; Donner, Zou
2012 for a ratio). Of all groups the widest gap is what a limit is about. Its low end is that of the pair that shows most, each
pair at its part of the level: that any of them shows too much by chance has the level's probability at most. Its high end is
the highest of any pair, each at the whole level: the pair that is truly farthest apart is among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from include.fairness.estimate import Clusters, Estimate, quantile, spread
from include.metrics.arrays import Floats
from include.metrics.errors import ENOUGH_GROUPS

Estimates = Mapping[str, Estimate]
"""One figure, by group."""


@dataclass(frozen=True)
class Gap:
    """`value` between two groups (or of one), and from `low` to `high` what is believable of the widest there is."""

    value: float
    low: float
    high: float
    between: tuple[str, ...]


def widest_difference(figures: Sequence[Estimates], below: float, above: float) -> Gap | None:
    """Of the figures of several groups, the largest less the smallest; of several figures the worst. None of fewer than two
    groups. `low` lies above the truth with probability `below` at most, `high` under it with `above`."""
    tests = sum(len(each) * (len(each) - 1) for each in figures)
    found = [gap for each in figures for gap in _differences(each, below / max(tests, 1), above)]
    return _widest(found)


def _differences(figure: Estimates, below: float, above: float) -> Iterator[Gap]:
    down, up = _limits(figure, below), _limits(figure, above)
    for a, b in permutations(figure, 2):
        one, other = figure[a], figure[b]
        value, wider = one.value - other.value, _together(one, other)
        least = math.hypot(one.value - down[a][0], down[b][1] - other.value)
        most = math.hypot(up[a][1] - one.value, other.value - up[b][0])
        yield Gap(value, value - wider * least, value + wider * most, (a, b))


def widest_ratio(figures: Sequence[Estimates], below: float, above: float) -> Gap | None:
    """The smallest by the largest; of several figures the worst. None where none is above 0, or fewer than two groups have any.
    `high` lies under the truth with probability `below` at most, `low` above it with `above`: of a ratio less is worse."""
    tests = sum(len(each) * (len(each) - 1) for each in figures)
    found = [gap for each in figures for gap in _ratios(each, below / max(tests, 1), above)]
    if not found:
        return None
    worst = min(found, key=lambda gap: gap.value)
    return Gap(worst.value, min(gap.low for gap in found), min(1.0, *(gap.high for gap in found)), worst.between)


def _ratios(figure: Estimates, below: float, above: float) -> Iterator[Gap]:
    down, up = _limits(figure, below), _limits(figure, above)
    for a, b in permutations(figure, 2):
        one, other, wider = figure[a].value, figure[b].value, _together(figure[a], figure[b])
        if other <= 0:
            continue
        low = _least(one, wider * (one - up[a][0]), other, wider * (up[b][1] - other))
        # The most that a by b is, is the least that b by a is, turned over.
        turned = _least(other, wider * (other - down[b][0]), one, wider * (down[a][1] - one))
        yield Gap(one / other, low, 1 / turned if turned > 0 else math.inf, (a, b))


def _least(a: float, down: float, b: float, up: float) -> float:
    """The least believable a / b: where a - r b, less its distance hypot(down, r up), is 0."""
    square, constant = b * b - up * up, a * a - down * down
    if constant <= 0:
        return 0.0
    root = math.sqrt(max(0.0, (a * b) ** 2 - square * constant))
    return constant / (a * b + root) if a * b + root > 0 else 0.0


def farthest_off(figure: Estimates, below: float, above: float) -> Gap | None:
    """Of figures that should be 0: how far the one that is farthest lies off, on either side."""
    if not figure:
        return None
    down, up = _limits(figure, below / (2 * len(figure))), _limits(figure, above)
    found = [
        Gap(abs(each.value), max(down[name][0], -down[name][1]), max(up[name][1], -up[name][0]), (name,))
        for name, each in figure.items()
    ]
    return _widest(found)


def _widest(found: Sequence[Gap]) -> Gap | None:
    if not found:
        return None
    worst = max(found, key=lambda gap: gap.value)
    return Gap(worst.value, max(0.0, *(gap.low for gap in found)), max(gap.high for gap in found), worst.between)


def widened(
    ours: Sequence[Estimates], theirs: Sequence[Estimates], clusters: Clusters, below: float, above: float, off: bool = False
) -> Gap | None:
    """By how much two groups are farther apart than with another model on the same rows; with `off`, one group from 0.

    What both models do alike to the same rows cancels. Farther apart on whichever side: a gap that changes its side and keeps
    its size has not widened.
    """
    found: list[Gap] = []
    pairs = [(our, their, pair) for our, their in zip(ours, theirs, strict=True) for pair in _pairs(our, their, off)]
    for our, their, pair in pairs:
        more, most = (_of_pair(our, their, pair, side, clusters) for side in (-1, 1))
        tests = len(pairs)
        low = min(value - error * quantile(freedom, below / tests) for value, error, freedom in (more, most))
        high = min(value + error * quantile(freedom, above / 2) for value, error, freedom in (more, most))
        names = tuple(name for name, _ in pair)
        found.append(Gap(min(more[0], most[0]), low, high, names))
    if not found:
        return None
    worst = max(found, key=lambda gap: gap.value)
    return Gap(worst.value, max(gap.low for gap in found), max(gap.high for gap in found), worst.between)


Pair = tuple[tuple[str, int], ...]
"""Groups with the sign that each counts by."""


def _pairs(ours: Estimates, theirs: Estimates, off: bool) -> list[Pair]:
    names = [name for name in ours if name in theirs]
    if off:
        return [((name, sign),) for name in names for sign in (1, -1)]
    return [((a, 1), (b, -1)) for a, b in permutations(names, 2)]


def _of_pair(ours: Estimates, theirs: Estimates, pair: Pair, side: int, clusters: Clusters) -> tuple[float, float, float]:
    """What our gap is more than theirs, counted on this side: its value, error and degrees of freedom."""
    value, rows, freedom = 0.0, 0.0, math.inf
    daily: Floats | float = 0.0
    for name, sign in pair:
        our, their = ours[name], theirs[name]
        value += sign * (our.value + side * their.value)
        found, by_day, free = _both(our, their, side, clusters)
        rows, freedom = math.hypot(rows, found), min(freedom, free)
        daily = daily + sign * by_day
    days = _by_day(daily) if not isinstance(daily, float) else (0.0, freedom)
    return (value, *days) if days[0] > rows else (value, rows, freedom)


def _both(one: Estimate, other: Estimate, side: int, clusters: Clusters) -> tuple[float, Floats, float]:
    """Error, what each day moves, and degrees of freedom of two models' figures of the same group, added or subtracted."""
    at = np.union1d(one.at, other.at)  # of those who are selected, say, each model has its own
    moved = np.zeros(len(at))
    moved[np.searchsorted(at, one.at)] += one.moved
    moved[np.searchsorted(at, other.at)] += side * other.moved
    error, freedom = clusters.spread(at, moved)
    return error, one.daily + side * other.daily, freedom


def _limits(figure: Estimates, level: float) -> dict[str, tuple[float, float]]:
    return {name: (each.low(level), each.high(level)) for name, each in figure.items()}


def _together(one: Estimate, other: Estimate) -> float:
    """By how much the difference spreads wider than that of two groups which share nothing: a day may move both, in opposite
    directions. That what they share cancels is not made use of."""
    apart = math.hypot(one.error, other.error)
    error, _ = _by_day(one.daily - other.daily)
    return max(1.0, error / apart) if apart > 0 else 1.0


def _by_day(daily: Floats) -> tuple[float, float]:
    """The error of what days move, and its degrees of freedom; 0 where they are too few to tell."""
    moved = daily[daily != 0]
    return (spread(moved), len(moved) - 1.0) if len(moved) >= ENOUGH_GROUPS else (0.0, 1.0)
