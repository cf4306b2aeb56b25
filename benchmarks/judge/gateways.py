"""Stages over several gateways that publish seldom: the boundary holds, and sees hardly less.

A gateway counts a request in the slice that runs as far as it knows: by what the others had published when it did so last, and by
its own requests. A slice that was judged is over: what is published later counts in the one that runs. So slices are coarse and
late, by an amount that depends on no arm. Here gateways publish at times of their own, and the judge looks at its own.
"""

from __future__ import annotations

import numpy as np

from benchmarks.judge.cells import ALPHA, portions
from benchmarks.judge.entities import ERRORS, GOAL
from benchmarks.judge.streams import Ints, Traffic, simulate
from benchmarks.judge.table import RateTable
from include.rollout.alpha_spending import SLICES, first_crossings

CASES = ((1, 1), (3, 4), (8, 20), (8, 100))  # gateways, and slices between two publications of one


def counted_in(gateways: int, every: int, first: int, look: int) -> Ints:
    """For each slice of the stage that in which a gateway counts what it then answers. `first`: its first publication."""
    now = np.arange(SLICES)
    last = np.maximum(0, (now - first) // every * every + first)
    coming = np.minimum(last + every, SLICES - 1)
    known = (last * (gateways - 1) + now) // gateways
    judged = coming // look * look  # the last look before it is published
    found: Ints = np.minimum(np.maximum(known, np.minimum(judged, coming)), SLICES - 1)
    return found


def split(counts: Ints, rng: np.random.Generator, gateways: int, every: int) -> Ints:
    """Counts [2, stages, slices] of events and of the challenger's among them, in the slices that gateways count them in."""
    others, own = counts[0] - counts[1], counts[1]
    found = np.zeros_like(counts)
    for left in range(gateways, 0, -1):
        parts = [rng.binomial(each, 1 / left) for each in (others, own)]
        others, own = others - parts[0], own - parts[1]
        place = counted_in(gateways, every, int(rng.integers(every)), 2)
        for slot in range(SLICES):
            found[0][:, place[slot]] += parts[0][:, slot] + parts[1][:, slot]
            found[1][:, place[slot]] += parts[1][:, slot]
    return found


def gateways(table: RateTable, stages: int) -> None:
    """One cell of several may lie above alpha by chance; all of them together may not."""
    table.head("Several gateways: 20,000 requests, base 1 %, errors alone, share 5 %, a look every second slice")
    limit, all_rolled = round(GOAL + ERRORS * (GOAL * (1 - GOAL) / stages) ** 0.5, 4), 0
    for number, every in CASES:
        words = f"{number} gateway{'s' if number > 1 else ''}, published every {every / SLICES:.1%} of the stage"
        rolled = {name: _rolled(f"{name} {words}", traffic, stages, number, every) for name, traffic in WORLDS.items()}
        table.under(f"healthy, {words}", rolled["healthy"] / stages, limit)
        table.at_least(f"3x, {words}", rolled["3x"] / stages, 0.99)
        all_rolled += rolled["healthy"]
    table.at_most("healthy, all of them", all_rolled, len(CASES) * stages, GOAL, 0.055)


WORLDS = {"healthy": Traffic(), "3x": Traffic(ratio=3)}


def _rolled(name: str, traffic: Traffic, stages: int, number: int, every: int) -> int:
    rolled = 0
    for count, rng in portions(name, stages):
        trials, hits = split(np.array(simulate(traffic, count, rng).counted()), rng, number, every)
        rolled += int((first_crossings(traffic.share, ALPHA, trials, hits) >= 0).sum())
    return rolled
