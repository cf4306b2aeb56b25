"""Does the verdict hold as rows are added? Windows that have shifted, the first n rows of one stream, n growing.

A flip is an alarm at some n that a larger n takes back. The past windows grow along, as they would with traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.drift.alarms import PEERS, SHIFTED
from benchmarks.drift.peers import rules
from benchmarks.drift.world import Counts, World, axis, law_of, rows
from include.monitoring.drift.drift import judge

SIZES = (500, 900, 1100, 2000, 5000, 20_000, 100_000)
STREAMS = 40
COLUMNS, SHIFT, WOBBLE = 20, 0.3, 0.05


@dataclass(frozen=True)
class Flips:
    """Streams of STREAMS whose alarm was taken back; and those silent at the largest n."""

    flipped: dict[str, int]
    silent: dict[str, int]


def measure() -> Flips:
    flipped, silent = dict.fromkeys(("ours", *PEERS), 0), dict.fromkeys(("ours", *PEERS), 0)
    for seed in range(STREAMS):
        verdicts = _stream(np.random.default_rng(seed))
        for name in flipped:
            said = [verdict[name] for verdict in verdicts]
            flipped[name] += any(a and not b for a, b in pairwise(said))
            silent[name] += not said[-1]
    return Flips(flipped, silent)


def _stream(rng: np.random.Generator) -> list[dict[str, bool]]:
    """The verdicts at each size."""
    world = World(SIZES[-1], COLUMNS, WOBBLE)
    shifts = [np.zeros(COLUMNS)] * world.past + [np.where(np.arange(COLUMNS) < SHIFTED, SHIFT, 0.0)]
    moved = [shift + WOBBLE * rng.normal(size=COLUMNS) for shift in shifts]
    counts = np.stack(
        [[_nested(rng, n, window[n]) for n in range(COLUMNS)] for window in moved]
    )  # [windows, columns, sizes, cells]
    return [_verdicts(world, counts[:, :, at]) for at in range(len(SIZES))]


def _nested(rng: np.random.Generator, column: int, moved: float) -> Counts:
    """Counts [sizes, cells + 2] of the first rows of one column."""
    law = law_of(column)
    placed = axis(law).place(rows(law, rng, moved, SIZES[-1]))
    length = axis(law).cells + 2
    parts = [np.bincount(placed[a:b], minlength=length) for a, b in zip((0, *SIZES), SIZES, strict=False)]
    return np.cumsum(parts, axis=0)


def _verdicts(world: World, counts: Counts) -> dict[str, bool]:
    past, now = list(counts[:-1]), counts[-1]
    verdict = judge(world.profile(now), int(now[0].sum()), world.reference(past), minimum_rows=1, set_aside={})
    peers = rules(now, past[-1])
    return {"ours": verdict.verdict == "drift", **{name: getattr(peers, name) for name in PEERS}}
