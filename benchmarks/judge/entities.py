"""Services of any number of entities and requests: an entity keeps its arm, and its requests may be as alike as they please.

A cell has E entities with R requests each at uniformly random times of a stage that lasts sixteen planned lengths.
Requests of one entity fail independently (`alike` 0), or all or none of them do (`alike` 1). Only the time of each
entity's first request and of its first error are drawn, so a cell of 50 million requests costs what its entities do.
Under many requests nearly every entity meets an error once, under few entities there is little to see: neither may
roll back a healthy challenger, nor pass a bad one. That the shipped accumulator counts like this, tests show.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge.streams import Ints
from benchmarks.judge.table import RateTable
from include.rollout.alpha_spending import OCTAVE, SLICES, first_crossings, period_boundaries, period_sums, periods, slice_ends
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share

ENTITIES = (5, 12, 50, 500, 5_000)
REQUESTS = (1, 10, 100, 1_000, 10_000)
LOOKS = 5  # at 1, 2, 4, 8 and 16 planned lengths
LENGTH = SLICES + (LOOKS - 1) * OCTAVE
ENDS = slice_ends(LENGTH)
SHARE, ALPHA, BETA, MARGIN, ACCEPTED = 0.2, 0.05, 0.05, 2.5, 0.05
BASE = 0.02  # of requests: at the margin times this a challenger is at the accepted rate, too
GOAL = 0.05
ERRORS = 3.5  # standard errors that one of 200 rates may lie above its goal by chance
MOST = 1_000  # stages of a cell
AT_ONCE = 1_000_000  # entities drawn at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    entities: int
    requests: int  # of each entity
    alike: bool  # all of an entity's requests fail, or none

    @property
    def words(self) -> str:
        return f"{self.entities:>5,} entities, {self.requests:>6,} requests each, alike {self.alike:d}"


@dataclass(frozen=True)
class Seen:
    """Counts [stages, slices]: entities that met an error at any time, new ones, those that failed at once; by arm."""

    erred: tuple[Ints, Ints]
    new: tuple[Ints, Ints]
    first: tuple[Ints, Ints]
    again: Ints  # the challenger's new ones of each period, and those that failed at once
    first_again: Ints


def simulate(cell: Cell, share: float, rates: tuple[float, float], stages: int, rng: np.random.Generator) -> Seen:
    """Stages of a cell: entities fall to the challenger by chance; `rates` of the champion and the challenger."""
    shape = (stages, cell.entities)
    own = rng.random(shape) < share
    rate = np.where(own, rates[1], rates[0])
    broken = rng.random(shape) < rate  # of an entity whose requests are alike
    left, began = np.full(shape, cell.requests), 0.0
    lasting = float(ENDS[-1])
    found: dict[str, list[Ints]] = {"erred": [], "new": [], "first": [], "again": [], "first_again": []}
    met, seen = np.zeros(shape, bool), np.zeros(shape, bool)
    for period in periods(LENGTH):
        ended = float(ENDS[period.stop - 1])
        here = rng.binomial(left, min(1.0, (ended - began) / (lasting - began)))
        left = left - here
        fails, first_fails, errors = _failures(cell, here, rate, broken, rng)
        asked_at = _earliest(here, began, ended, rng)
        failed_at = np.where(first_fails, asked_at, _later(asked_at, errors, ended, rng))
        active = here > 0
        for name, marked, at in (
            ("erred", fails & ~met, failed_at),
            ("new", active & ~seen, asked_at),
            ("first", active & ~seen & first_fails, asked_at),
            ("again", active, asked_at),
            ("first_again", active & first_fails, asked_at),
        ):
            found[name].append(_counts(marked, at, own, period))
        met, seen, began = met | fails, seen | active, ended
    counts = {name: np.concatenate(parts, axis=2) for name, parts in found.items()}
    pairs = {name: (counts[name][0], counts[name][1]) for name in ("erred", "new", "first")}
    return Seen(**pairs, again=counts["again"][1], first_again=counts["first_again"][1])


def _failures(
    cell: Cell, here: Ints, rate: Floats, broken: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Ints]:
    """Whether each entity fails in this period, whether at its first request, and how many later ones fail."""
    first = (broken if cell.alike else rng.random(here.shape) < rate) & (here > 0)
    rest = np.maximum(here - 1, 0)
    later = np.where(broken, rest, 0) if cell.alike else rng.binomial(rest, rate)
    return first | (later > 0), first, later


def _earliest(count: Ints, began: float, ended: float, rng: np.random.Generator) -> Floats:
    """The first of so many uniform times."""
    return began + (ended - began) * rng.beta(1.0, np.maximum(count, 1))


def _later(after: Floats, count: Ints, ended: float, rng: np.random.Generator) -> Floats:
    """The first of so many uniform times after another."""
    return after + (ended - after) * rng.beta(1.0, np.maximum(count, 1))


def _counts(marked: NDArray[np.bool_], at: Floats, own: NDArray[np.bool_], period: slice) -> Ints:
    """[arm, stages, slices of the period]."""
    width, stages = period.stop - period.start, len(at)
    place = np.clip(np.searchsorted(ENDS, at), period.start, period.stop - 1) - period.start
    number = (own * stages + np.arange(stages)[:, None]) * width + place
    return np.bincount(number[marked], minlength=2 * stages * width).reshape(2, stages, width).astype(np.int64)


def rolled_back(seen: Seen, share: float) -> NDArray[np.bool_]:
    """By the errors' guard beside a champion, or at full traffic by the accepted rate."""
    if share < 1:
        return first_crossings(share, ALPHA, seen.erred[0] + seen.erred[1], seen.erred[1]) >= 0
    trials, hits = (
        np.concatenate([a[1][:, :SLICES], b[:, SLICES:]], axis=1)
        for a, b in ((seen.new, seen.again), (seen.first, seen.first_again))
    )
    crossed = period_sums(hits) >= period_boundaries(ACCEPTED, ALPHA, trials)
    rolled: NDArray[np.bool_] = np.any(crossed, axis=1)
    return rolled


def promoted(seen: Seen, share: float) -> NDArray[np.bool_]:
    """Whether any look shows the challenger to be under the margin or the accepted rate."""
    shown = np.zeros(len(seen.again), bool)
    by_rate = BETA / 2 if share < 1 else BETA
    for look in range(LOOKS):
        until, part = SLICES + look * OCTAVE, look_part(look)
        own, other, entities = (counts[:, :until].sum(axis=1) for counts in (seen.first[1], seen.first[0], seen.new[1]))
        shown |= own <= _allowed(entities, ACCEPTED, by_rate * part)
        if share < 1:
            shown |= own <= _allowed(own + other, odds_share(share, MARGIN), BETA / 2 * part)
    return shown


def _allowed(trials: Ints, p: float, level: float) -> Ints:
    different, place = np.unique(trials, return_inverse=True)
    return np.array([most_allowed(int(n), p, level) for n in different])[place]


# By name: the challenger's share, the error rates of both arms, and what must be rare there.
WORLDS = {
    "canary, healthy": (SHARE, (BASE, BASE), rolled_back),
    "full, healthy": (1.0, (ACCEPTED, ACCEPTED), rolled_back),
    "canary, bad": (SHARE, (BASE, MARGIN * BASE), promoted),
    "full, bad": (1.0, (ACCEPTED, ACCEPTED), promoted),
}


def rates(cell: Cell, stages: int) -> dict[str, float]:
    """Of a cell: how often a healthy challenger is rolled back, and one at the margin promoted; on a canary and at 100."""
    found = {}
    for name, (share, pair, decided) in WORLDS.items():
        rng = np.random.default_rng(zlib.crc32(f"{cell.words} {name}".encode()))
        portion = max(1, AT_ONCE // cell.entities)
        sizes = [min(portion, stages - first) for first in range(0, stages, portion)]
        found[name] = sum(int(decided(simulate(cell, share, pair, size, rng), share).sum()) for size in sizes) / stages
    return found


def entities(table: RateTable, stages: int) -> None:
    """Every cell, at the rates that are hardest: healthy at the accepted rate, bad at the margin."""
    stages = min(stages, MOST)
    table.head(
        f"Any number of requests an entity: {stages:,} stages a cell, looked at in every slice of sixteen planned lengths; "
        f"canary {SHARE:.0%}, base {BASE:.0%}; healthy rolled back (alpha {ALPHA}), bad promoted (beta {BETA})"
    )
    cells = [Cell(many, requests, alike) for alike in (False, True) for many in ENTITIES for requests in REQUESTS]
    limit, together = round(GOAL + ERRORS * (GOAL * (1 - GOAL) / stages) ** 0.5, 4), dict.fromkeys(WORLDS, 0.0)
    for cell in cells:
        measured = rates(cell, stages)
        for name, rate in measured.items():
            together[name] += rate / len(cells)
        table.under(cell.words, max(measured.values()), limit, ", ".join(f"{name} {rate:.3f}" for name, rate in measured.items()))
    for name, rate in together.items():
        table.at_most(f"{name}: all cells together", round(rate * len(cells) * stages), len(cells) * stages, GOAL, 0.055)
