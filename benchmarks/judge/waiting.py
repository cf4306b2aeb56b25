"""A canary that has passed and waits for persons: false rollbacks over a long wait, and how soon one that goes bad late is seen.

The evidence goes on under the same boundary, a slice of which is a hundredth of a doubling by then. What may be spent after the
planned length is the twentieth of alpha that was kept for it, and what whole counts have left unspent before. So a long wait
comes up to alpha, which a stage alone stays under: the goal is alpha, and two standard errors of so many simulated waits.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from benchmarks.judge.cells import ALPHA
from benchmarks.judge.streams import Ints
from benchmarks.judge.table import RateTable
from include.rollout.alpha_spending import OCTAVE, SLICES, first_crossings, slice_ends

DOUBLINGS = 6  # 64 planned lengths: a stage of an hour, and a weekend
PART = 4  # a wait has four times as many slices as a stage: so many fewer are simulated
PORTION = 500


@dataclass(frozen=True)
class Wait:
    """`requests` in the planned length; `base`: of entities that meet an error. From `since` planned lengths on the challenger's
    meet `ratio` times as many."""

    requests: int
    share: float
    base: float = 0.01
    since: float = 1.0
    ratio: float = 1.0


def crossings(name: str, wait: Wait, stages: int) -> Ints:
    """The slice in which each is rolled back, or -1."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    portions = [min(PORTION, stages - first) for first in range(0, stages, PORTION)]
    return np.concatenate([first_crossings(wait.share, ALPHA, *_simulate(wait, count, rng)) for count in portions])


def _simulate(wait: Wait, stages: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    ends = slice_ends(SLICES + DOUBLINGS * OCTAVE)
    requests: Ints = np.diff(np.round(ends * wait.requests).astype(np.int64), prepend=np.int64(0)).astype(np.int64)
    own = rng.binomial(requests, wait.share, (stages, len(requests)))
    rate = np.where(ends > wait.since, min(1.0, wait.base * wait.ratio), wait.base)
    hits = rng.binomial(own, rate)
    return rng.binomial(requests - own, wait.base) + hits, hits


def waiting(table: RateTable, stages: int) -> None:
    count = max(1, stages // PART)
    table.head(f"While persons think: healthy, errors alone, alpha .05, {2**DOUBLINGS} planned lengths ({count:,} stages)")
    for share, requests in ((0.05, 20_000), (0.5, 2_000)):
        name = f"share {share:.0%}, {requests:,} requests planned"
        first = crossings(name, Wait(requests, share), count)
        noise = 2 * (ALPHA * (1 - ALPHA) / count) ** 0.5
        table.at_most(f"{name}: rolled back at any time", int((first >= 0).sum()), count, ALPHA + noise)
        table.line(f"{name}: of these after the planned length", f"{float((first >= SLICES).mean()):.4f}")
    table.head("A canary that goes bad while persons think: rolled back before the wait has doubled, and when (planned lengths)")
    for since in (2, 8, 32):
        for ratio, goal in ((5, 0.0), (20, 0.9)):
            name = f"share 50%, 2,000 requests planned, {ratio}x after {since} planned lengths"
            first = crossings(name, Wait(2_000, 0.5, since=since, ratio=ratio), count)
            healthy = int(((first >= 0) & (slice_ends(SLICES + DOUBLINGS * OCTAVE)[first] <= since)).sum())
            took = np.where(first >= 0, slice_ends(SLICES + DOUBLINGS * OCTAVE)[first] - since, np.inf)
            seen = (took > 0) & (took <= since)
            table.at_least(name, seen.sum() / max(1, count - healthy), goal, f"median {np.median(took[took > 0]):.2f} later")
