"""Label guards of every kind: a healthy challenger rolled back, and one at the label margin promoted.

A cell has clients with some labelled answers each, at uniformly random times of a stage of sixteen planned lengths; the boundary
is looked at in every slice, and the label guards have all of alpha among them. The limits are those that the shipped baseline
takes from answers before the stage. The challenger at the margin meets one event at exactly `MARGIN` times the champion's rate by
clients' first labels, and the others hardly more often than the champion: what is hardest to see.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge.entities import ALPHA, BETA, ENDS, ERRORS, GOAL, LENGTH, LOOKS, SHARE
from benchmarks.judge.label_worlds import WORLDS, Floats, Shape, World
from benchmarks.judge.streams import Ints
from benchmarks.judge.table import RateTable
from include.problems.events import Event
from include.rollout.alpha_spending import OCTAVE, SLICES, first_crossings
from include.rollout.baseline import Baseline
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share

MARGIN = 1.5
BEFORE = (40, 5)  # clients and answers of each that the limits are taken from
CLIENTS = ((60, 40), (500, 4), (1_500, 1))  # and labelled answers of each
MOST = 5_000  # stages of a cell
AT_ONCE = 400_000  # answers drawn at once
HEALTHY, GOOD = "healthy rolled back", "healthy promoted"
REFERENCE = (1, 400_000, 1)  # draws from which an event's chance beyond a limit is taken

Bools = NDArray[np.bool_]
Counts = tuple[Ints, Ints]  # [stages, slices] of the champion, of the challenger


class Stages:
    """Some stages of a cell: `counts` by stream as the accumulator has them, and `limits` [stages] of the events."""

    def __init__(self, world: World, shape: Shape, rng: np.random.Generator, worse: str = "") -> None:
        """`worse`: the event that the challenger meets at the margin; empty for a healthy one."""
        self.events = list(world.problem.events)
        self._stages, self._limits = shape[0], _limits(world, shape[0], rng)
        self._own = rng.random(shape[:2]) < SHARE
        self._at = np.sort(rng.random(shape) * float(ENDS[-1]), axis=2)
        losses = world.losses(shape, rng)
        if worse:
            losses = self._worsened(world, losses, worse, rng)
        self.ever = {event.name: self._count(self._met(event, losses)) for event in self.events}
        self.first = {event.name: self._count(self._met(event, losses[:, :, :1])) for event in self.events}

    def _met(self, event: Event, losses: Floats) -> Bools:
        if event.limit is None:
            return losses > 0
        return (losses > 0) & (losses >= self._limits[event.name][:, None, None])

    def _worsened(self, world: World, losses: Floats, name: str, rng: np.random.Generator) -> Floats:
        """Some of the challenger's answers without the event get just enough of a loss that its rate is MARGIN times as high."""
        event = next(each for each in self.events if each.name == name)
        reference = _reference(world)
        limit = self._limits[name] if event.limit is not None else np.full(self._stages, 1e-9)
        chance = 1 - np.searchsorted(reference, np.maximum(limit, 1e-9)) / len(reference)
        more = np.clip(chance * (MARGIN - 1) / np.maximum(1 - chance, 1e-9), 0, 1)
        hit = ~self._met(event, losses) & self._own[:, :, None] & (rng.random(losses.shape) < more[:, None, None])
        return np.where(hit, np.maximum(limit, 1e-9)[:, None, None], losses)

    def _count(self, met: Bools) -> Counts:
        """Clients by the slice in which they first meet the event."""
        marked, place = met.any(axis=2), met.argmax(axis=2)
        at = np.take_along_axis(self._at, place[:, :, None], axis=2)[:, :, 0]
        slot = np.minimum(np.searchsorted(ENDS, at), LENGTH - 1)
        number = (self._own * self._stages + np.arange(self._stages)[:, None]) * LENGTH + slot
        counts = np.bincount(number[marked], minlength=2 * self._stages * LENGTH).reshape(2, self._stages, LENGTH)
        return counts[0].astype(np.int64), counts[1].astype(np.int64)

    def rolled_back(self) -> Bools:
        """By any of the guards, each with its part of alpha."""
        any_one = np.zeros(self._stages, bool)
        for champion, challenger in self.ever.values():
            any_one |= first_crossings(SHARE, ALPHA / len(self.events), champion + challenger, challenger) >= 0
        return any_one

    def promoted(self, looks: int = LOOKS) -> Bools:
        """Every event shown to be under the margin, each at any of the looks."""
        every = np.ones(self._stages, bool)
        for champion, challenger in self.first.values():
            shown = np.zeros(self._stages, bool)
            for look in range(looks):
                until = SLICES + look * OCTAVE
                own, other = challenger[:, :until].sum(axis=1), champion[:, :until].sum(axis=1)
                shown |= own <= _allowed(own + other, odds_share(SHARE, MARGIN), BETA * look_part(look))
            every &= shown
        return every


@lru_cache(maxsize=1)
def _reference(world: World) -> Floats:
    """Sorted losses of a world's law."""
    return np.sort(world.losses(REFERENCE, np.random.default_rng(1)).ravel())


def _limits(world: World, stages: int, rng: np.random.Generator) -> Mapping[str, Floats]:
    """[stages] by event, as the shipped baseline finds them."""
    before = world.losses((stages, *BEFORE), rng).reshape(stages, -1)
    problem = world.problem
    found = [Baseline(losses=row[row > 0].tolist()).limits(0.0, problem) for row in before]
    names = [event.name for event in problem.events if event.limit is not None]
    return {name: np.array([limits.get(name, np.inf) for limits in found]) for name in names}


def _allowed(trials: Ints, p: float, level: float) -> Ints:
    different, place = np.unique(trials, return_inverse=True)
    return np.array([most_allowed(int(n), p, level) for n in different])[place]


def rates(world: World, clients: int, answers: int, stages: int) -> dict[str, float]:
    """How often a healthy challenger is rolled back, and promoted by its labels; by event, how often one at its margin is."""
    hits = dict.fromkeys((HEALTHY, GOOD, *(event.name for event in world.problem.events)), 0)
    portion = max(1, AT_ONCE // (clients * answers))
    rng = np.random.default_rng(zlib.crc32(f"{world.name} {clients} {answers}".encode()))
    for first in range(0, stages, portion):
        shape = (min(portion, stages - first), clients, answers)
        healthy = Stages(world, shape, rng)
        hits[HEALTHY] += int(healthy.rolled_back().sum())
        hits[GOOD] += int(healthy.promoted().sum())
        for event in world.problem.events:
            hits[event.name] += int(Stages(world, shape, rng, event.name).promoted().sum())
    return {name: count / stages for name, count in hits.items()}


def labels(table: RateTable, stages: int) -> None:
    """Every world with few and many clients. One cell of many may lie above alpha by chance; all of them together may not."""
    stages = min(stages, MOST)
    table.head(
        f"Labels: {stages:,} stages a cell of sixteen planned lengths, a look in every slice; share {SHARE:.0%}, alpha {ALPHA}, "
        f"label margin {MARGIN}, beta {BETA}"
    )
    limit = round(GOAL + ERRORS * (GOAL * (1 - GOAL) / stages) ** 0.5, 4)
    rolled, promoted = [], []
    for world in WORLDS:
        for clients, answers in CLIENTS:
            measured = rates(world, clients, answers, stages)
            healthy, good = measured.pop(HEALTHY), measured.pop(GOOD)
            worst = max(measured.values())
            words = f"healthy {healthy:.4f}, margin {worst:.4f} ({good:.2f})"
            table.under(f"{world.name}: {clients:,} clients, {answers} labels each", max(healthy, worst), limit, words)
            rolled.append(healthy)
            promoted.append(worst)
    cells = len(rolled)
    table.at_most("healthy rolled back: all cells", round(sum(rolled) * stages), cells * stages, GOAL, 0.055)
    table.at_most("at the margin promoted, worst event: all cells", round(sum(promoted) * stages), cells * stages, GOAL, 0.055)
