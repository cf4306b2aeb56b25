"""The challenger gate, simulated: how often it opens for a challenger of known worth.

    python -m benchmarks.gate [--gates 1000] [--kinds-only]

Each gate: a holdout of 28 days, scores of champion and challenger that share what they know, day effects that hit one of them
(a day's rows are no independent witnesses), ten slices. Judged by include/evaluation as it ships, at its default margin of .01
AUC and alpha of .025. "Worse than the margin" is the hardest such case: the true AUC is worse by the margin itself. Goal: it is
promoted in at most 5 percent of the gates. Power, and what the slices close by chance, is printed beside it.

The same of the other kinds of problems (benchmarks/gate/kinds.py): numbers with heavy tails, classes, rankings.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from benchmarks.gate.kinds import WORLDS
from include.core.spec import Evaluation, Serving
from include.evaluation.gate import decide
from include.metrics.binary import measure
from include.metrics.paired import difference
from include.rollout.confidence_bounds import upper

Floats = npt.NDArray[np.float64]
SPEC = Evaluation(minimum=None)
DAYS, SLICES = 28, 10
AUC = 0.75  # the champion's
GOAL = 0.05
THRESHOLD = Serving().threshold
# Rows or queries, and how the noise differs by day: the variance of its size's logarithm (.01: by a tenth from day to day).
UNITS = ((1000, 0.0), (1000, 0.01), (5000, 0.0), (5000, 0.01))
FITS = {"latency_ms": {"p99": 0.1}, "bytes": 1000}


@dataclass(frozen=True)
class Case:
    """`worse`: the challenger's true AUC below the champion's. `days`: the share of a score's variance that is its day's
    own. `slice_worse`: in the first slice alone."""

    name: str
    rows: int
    worse: float
    days: float = 0.0
    slice_worse: float | None = None


MARGIN = SPEC.margin
CASES = [Case(f"worse by the margin, {n:,} rows, {what}", n, MARGIN, days)
         for n in (1000, 5000, 25_000) for days, what in ((0.0, "rows alone"), (0.002, "days too"))]  # fmt: skip
SHOWN = [
    Case("worse by twice the margin, 25,000 rows, days too", 25_000, 2 * MARGIN, 0.002),
    *(Case(f"equal, {n:,} rows, days too", n, 0.0, 0.002) for n in (1000, 5000, 25_000)),
    *(Case(f"better by the margin, {n:,} rows, days too", n, -MARGIN, 0.002) for n in (1000, 5000, 25_000)),
    Case("equal but one slice of ten worse by .08, 25,000 rows", 25_000, 0.0, 0.0, 0.08),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=int, default=1000, help="of each case")
    parser.add_argument("--kinds-only", action="store_true", help="leave the binary label out")
    options = parser.parse_args()
    gates, start = options.gates, time.perf_counter()
    met = options.kinds_only or _binary(gates)
    met = _kinds(gates) and met
    print(f"{time.perf_counter() - start:.0f} s. {'met' if met else 'missed'}")
    return int(not met)


def _kinds(gates: int) -> bool:
    """Whether every kind holds the goal."""
    met = True
    print(f"{'the other kinds, worse by the margin':56}{'opens':>8}{'95 % limits':>18}{'as before':>12}{'equal opens':>14}")
    for world in (each() for each in WORLDS):
        for units, days in UNITS:
            worse = world.noise_of(world.spec.margin, days)
            seen = [world.opens(units, worse, days, np.random.default_rng((seed, units))) for seed in range(gates)]
            equal = [
                world.opens(units, world.noise, days, np.random.default_rng((seed, units, 1)))[0] for seed in range(gates // 5)
            ]
            opened, naive = (sum(each[place] for each in seen) for place in (0, 1))
            low, high = 1 - upper(gates - opened, gates, 0.025), upper(opened, gates, 0.025)
            good = opened / gates <= GOAL
            words = f"{world.name}, {units:,} {'queries' if world.problem.query else 'rows'}{', days too' if days else ''}"
            shares = f"{opened / gates:8.3f}{f'{low:.3f} to {high:.3f}':>18}{naive / gates:12.3f}{np.mean(equal):14.3f}"
            print(f"  {words:<54}{shares}  <= {GOAL:g} {'ok' if good else 'MISSED'}", flush=True)
            met = met and good
    return met


def _binary(gates: int) -> bool:
    met = True
    print(f"{gates:,} gates a case; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':56}{'opens':>8}{'95 % limits':>18}{'as before':>12}{'slices close':>14}")
    for case in (*CASES, *SHOWN):
        opened, naive, sliced = _gates(case, gates)
        low, high = 1 - upper(gates - opened, gates, 0.025), upper(opened, gates, 0.025)
        good = case not in CASES or opened / gates <= GOAL
        goal = "" if case not in CASES else f"  <= {GOAL:g} {'ok' if good else 'MISSED'}"
        shares = f"{opened / gates:8.3f}{f'{low:.3f} to {high:.3f}':>18}{naive / gates:12.3f}{sliced / gates:14.3f}"
        print(f"  {case.name:<54}{shares}{goal}", flush=True)
        met = met and good
    print('"as before": the rule without a test, the metric alone within the margin.')
    return met


def _gates(case: Case, gates: int) -> tuple[int, int, int]:
    """How many open; would by the point estimate; are closed by a slice."""
    opened = naive = sliced = 0
    for seed in range(gates):
        value = _value(case, np.random.default_rng((seed, case.rows)))
        reasons = decide(value, SPEC).reasons
        opened += not reasons
        naive += value["paired"]["worse"] <= SPEC.margin
        sliced += any("of airport=" in reason for reason in reasons)
    return opened, naive, sliced


def _value(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """What the step `evaluate` would hand to the gate."""
    days, airport = np.arange(case.rows) * DAYS // case.rows, rng.integers(0, SLICES, case.rows)
    labels = (rng.random(case.rows) < 0.3).astype(np.float64)
    worse = np.full(case.rows, case.worse)
    if case.slice_worse is not None:
        worse[airport == 0] = case.slice_worse
    shared, own = rng.normal(size=case.rows), rng.normal(size=(2, case.rows))
    # A day's own noise multiplies with the label: it makes a model better or worse for a day, not its scores higher.
    day = rng.normal(size=(2, DAYS))[:, days] * (2 * labels - 1)
    rest = 1 - case.days
    noise = [np.sqrt(0.9 * rest) * shared + np.sqrt(0.1 * rest) * own[n] + np.sqrt(case.days) * day[n] for n in (0, 1)]
    champion = labels * _distance(AUC, case.days) + noise[0]
    challenger = labels * _distance(AUC - worse, case.days) + noise[1]
    scores = ndtr(challenger - 0.5), ndtr(champion - 0.5)
    paired: dict[str, Any] = {**difference("auc", labels, scores[0], scores[1], days, THRESHOLD).to_json()}
    rows: list[Any] = []
    for value in range(SLICES):
        here = airport == value
        if here.sum() >= 100:
            found = difference("auc", labels[here], scores[0][here], scores[1][here], days[here], THRESHOLD)
            rows.append({"slice": "airport", "value": str(value), **found.to_json()})
    paired["slices"] = rows
    ours, theirs = (measure(labels, each, THRESHOLD) for each in scores)
    return {"metrics": ours, "champion": theirs, "paired": paired, **FITS}


def _distance(auc: Floats | float, days: float) -> Floats:
    """Of the classes' means, for a true AUC over many days.

    Two rows of either class, of any two days, differ by N(distance, 2): the day's part adds what the rows' part leaves.
    """
    result: Floats = np.sqrt(2.0) * ndtri(np.asarray(auc))
    return result


if __name__ == "__main__":
    raise SystemExit(main())
