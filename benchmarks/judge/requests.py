"""An endpoint that splits by request: each request is an observation, in an arm by chance alone (docs/adr/0059).

A cell has E entities with R requests each. Which requests fail has nothing to do with their arm: failures come one by one, or
(`alike`) all of an entity's fail, in one burst, whichever arm each of them meets; and a caller that failed may ask again at
once, which brings more failures (`again` of them on average). Bad challengers fail `margin` times as many of the requests that
there are: what a promotion rests on is a claim about these requests, of which the challenger has answered a random share.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judge.entities import ACCEPTED, ALPHA, BASE, BETA, ENDS, ERRORS, GOAL, LENGTH, LOOKS, MARGIN, SHARE
from benchmarks.judge.streams import Ints
from benchmarks.judge.table import RateTable
from include.rollout.alpha_spending import OCTAVE, SLICES, first_crossings
from include.rollout.confidence_bounds import look_part, most_allowed, odds_share

CELLS = ((5, 1_000), (50, 100), (500, 10), (5_000, 1))
MOST = 20_000  # stages of a cell
PORTION = 2_000
WIDTHS = np.diff(np.concatenate([[0.0], ENDS]))
CHANCES = WIDTHS / WIDTHS.sum()


@dataclass(frozen=True)
class Cell:
    entities: int
    requests: int  # of each
    alike: bool = False
    again: float = 0.0

    @property
    def words(self) -> str:
        kind = "all of an entity's, in one burst" if self.alike else "each for itself"
        retried = f", asked again {self.again:g} times" if self.again else ""
        return f"{self.entities:,} entities, {self.requests:,} requests each; failures {kind}{retried}"


def failures(cell: Cell, rate: float, stages: int, rng: np.random.Generator) -> Ints:
    """By slice, the requests that fail if one arm answers all. [stages, slices]."""
    if cell.alike:
        broken = rng.binomial(cell.entities, rate, stages)
        found = rng.multinomial(broken, CHANCES) * cell.requests
    else:
        found = rng.multinomial(rng.binomial(cell.entities * cell.requests, rate, stages), CHANCES)
    more = rng.negative_binomial(np.maximum(found, 1), 1 / (1 + cell.again)) if cell.again else 0
    return np.asarray(found + np.where(found > 0, more, 0), np.int64)


def healthy(cell: Cell, share: float, stages: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether a challenger that fails no more than the champion is rolled back."""
    trials = failures(cell, BASE, stages, rng)
    return np.asarray(first_crossings(share, ALPHA, trials, rng.binomial(trials, share)) >= 0)


def bad(cell: Cell, share: float, stages: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether one that fails `margin` times as many of these very requests is promoted at any look."""
    total = cell.entities * cell.requests
    asked = rng.multinomial(total, CHANCES, stages)
    theirs = _exactly(cell, BASE, stages, rng)
    ours = _exactly(cell, MARGIN * BASE, stages, rng)
    own = rng.binomial(np.minimum(ours, asked), share)
    other, requests = rng.binomial(np.minimum(theirs, asked), 1 - share), rng.binomial(asked, share)
    shown = np.zeros(stages, bool)
    for look in range(LOOKS):
        until, part = SLICES + look * OCTAVE, look_part(look)
        hits, champion, answered = (counts[:, :until].sum(axis=1) for counts in (own, other, requests))
        shown |= hits <= _allowed(answered, ACCEPTED, BETA / 2 * part)
        shown |= hits <= _allowed(hits + champion, odds_share(share, MARGIN), BETA / 2 * part)
    return shown


def _exactly(cell: Cell, rate: float, stages: int, rng: np.random.Generator) -> Ints:
    """So many of the requests fail, evenly over the stage but for chance: bursts there are shorter than a look."""
    return np.asarray(rng.multinomial(round(cell.entities * cell.requests * rate), CHANCES, stages), np.int64)


def _allowed(trials: Ints, p: float, level: float) -> Ints:
    different, place = np.unique(trials, return_inverse=True)
    return np.array([most_allowed(int(n), p, level) for n in different])[place]


def requests(table: RateTable, stages: int) -> None:
    """The errors' guard and the promotion, at the shares of the default steps."""
    stages = min(stages, MOST)
    table.head(
        f"Split by request: {stages:,} stages a cell of sixteen planned lengths, {LENGTH} slices; base {BASE:.0%}; "
        f"healthy rolled back (alpha {ALPHA}), {MARGIN:g} times as bad promoted (beta {BETA})"
    )
    kinds: tuple[dict[str, Any], ...] = ({}, {"alike": True}, {"again": 3.0})
    limit, together = round(GOAL + ERRORS * (GOAL * (1 - GOAL) / stages) ** 0.5, 4), dict.fromkeys(("healthy", "bad"), (0, 0))
    for share in (0.05, SHARE):
        cells = [("healthy", healthy, Cell(*each, **kind)) for kind in kinds for each in CELLS]
        for name, decided, cell in (*cells, ("bad", bad, Cell(50, 100))):
            hits = _hits(decided, cell, share, stages)
            table.under(f"{name} at {share:.0%}: {cell.words}", hits / stages, limit)
            together[name] = together[name][0] + hits, together[name][1] + stages
    for name, (hits, of) in together.items():
        table.at_most(f"{name}: all cells together", hits, of, GOAL, 0.055)


def _hits(decided: object, cell: Cell, share: float, stages: int) -> int:
    rng = np.random.default_rng(zlib.crc32(f"{cell.words} {share}".encode()))
    assert callable(decided)
    return sum(int(decided(cell, share, min(PORTION, stages - first), rng).sum()) for first in range(0, stages, PORTION))
