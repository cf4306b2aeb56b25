"""How long one row takes: what a request will wait for, without the server around it.

A machine that is busy at that minute makes everything slow, and a verdict of the gate is kept. So a model is timed in turns
with a reference whose cost is known, and what the machine took is taken off again:

- Load only ever adds time. Of the calls with one row the fastest counts, and p50, p99 and mean are over the rows.
- What is slow throughout (a clock that is throttled, a neighbour on the same core, a slower machine) is slow for the
  reference, too: times are divided by how many times its known cost it took. A faster machine changes nothing.
- A reference call is made as long as a call of the model, for a short call escapes the scheduler and a long one does not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from include.metrics.arrays import Values
from include.model_contract.model import Encoded, Model
from include.step_values.evaluation import LatencyValue

Clock = Callable[[], float]
"""Seconds."""
Reference = Callable[[int], None]
"""Does the reference's work so many times."""

NOMINAL = 0.015  # one unit of the reference takes so many milliseconds on the machine that a spec's limit means
WIDTH, LAYERS = 256, 4  # the reference multiplies a row with a square matrix as often as it has layers
LATENCY_ROWS = 256  # so many rows of the holdout are enough for a p99 over rows
WARM_UP, CALLS = 50, 1000  # a fast model is called so many times at least
PASSES, MOST_PASSES = 4, 16  # passes over the rows: beyond the first number only while the limit is exceeded
BLOCK = 16  # a model takes so many rows before it is another one's turn
SECONDS = 10.0  # the first passes of a slow model may take about so long
MOST_UNITS = 2000  # a reference call has no more units, which take 30 ms


@dataclass
class Timings:
    """The fastest call with each row, by model, and of the reference in each of its places; and all calls of the first model.

    `units`: of a reference call.
    """

    rows: int
    models: int
    units: int
    best: list[Values] = field(init=False)
    reference: Values = field(init=False)
    seen: list[float] = field(default_factory=list)
    passes: int = 0

    def __post_init__(self) -> None:
        self.best = [np.full(self.rows, np.inf) for _ in range(self.models)]
        self.reference = np.full(2 * -(-self.rows // BLOCK), np.inf)

    @property
    def unit_ms(self) -> float:
        """One unit of the reference."""
        return float(np.median(self.reference)) / self.units * 1000

    @property
    def slowdown(self) -> float:
        """How many times its known cost the reference took; 1 at least."""
        return max(1.0, self.unit_ms / NOMINAL)

    def row_ms(self, model: int) -> Values:
        """Milliseconds of each row, less what the machine added."""
        times: Values = self.best[model] * 1000 / self.slowdown
        return times


def measure_latency(
    model: Model, rows: Encoded, limit: float | None = None, clock: Clock | None = None, reference: Reference | None = None
) -> LatencyValue:
    """Milliseconds of a call with one row: `p50`, `p99`, `mean`. `rows` as the model takes them are cycled through.

    Beside them what was `seen` on the clock, the `reference` (its milliseconds, and how many times its known cost they are),
    and the machine's `load` (runnable processes a core). While p99 exceeds `limit` it is measured on, a few times.
    """
    return measure_in_turns([model], rows, limit, clock, reference)[0]


def measure_in_turns(
    models: Sequence[Model],
    rows: Encoded,
    limit: float | None = None,
    clock: Clock | None = None,
    reference: Reference | None = None,
) -> list[LatencyValue]:
    """The same of several models in the same minutes, so that they may be compared. `limit` is for the first."""
    now, work = clock or time.perf_counter, reference or _reference()
    cost = max(_warm(model, rows, now) for model in models)
    rows = rows[: max(BLOCK, min(len(rows), int(SECONDS / PASSES / cost)))] if cost > 0 else rows
    timings = Timings(len(rows), len(models), max(1, min(MOST_UNITS, round(cost / _warm_reference(work, now)))))
    passes = max(PASSES, -(-CALLS // len(rows)) if cost * CALLS < SECONDS else 0)
    while timings.passes < passes or (timings.passes < MOST_PASSES and limit is not None and _p99(timings) > limit):
        _time_once(timings, models, rows, now, work)
    return [_figures(timings, number) for number in range(len(models))]


def _time_once(timings: Timings, models: Sequence[Model], rows: Encoded, now: Clock, work: Reference) -> None:
    """Once over the rows: a block by each model, then the reference twice."""
    for block, start in enumerate(range(0, len(rows), BLOCK)):
        for number, model in enumerate(models):
            for place in range(start, min(start + BLOCK, len(rows))):
                row = rows[place : place + 1]
                started = now()
                model.score(row)
                spent = now() - started
                timings.best[number][place] = min(timings.best[number][place], spent)
                if number == 0:
                    timings.seen.append(spent)
        for place in (2 * block, 2 * block + 1):
            started = now()
            work(timings.units)
            timings.reference[place] = min(timings.reference[place], now() - started)
    timings.passes += 1


def _p99(timings: Timings) -> float:
    return float(np.percentile(timings.row_ms(0), 99))


def _figures(timings: Timings, number: int) -> LatencyValue:
    p50, p99 = np.percentile(timings.row_ms(number), (50, 99))
    figures: LatencyValue = {
        "p50": round(float(p50), 4),
        "p99": round(float(p99), 4),
        "mean": round(float(timings.row_ms(number).mean()), 4),
    }
    if number == 0:
        seen = np.percentile(timings.seen, (50, 99)) * 1000
        figures["seen"] = {"p50": round(float(seen[0]), 4), "p99": round(float(seen[1]), 4)}
    figures["reference"] = {"ms": round(timings.unit_ms, 5), "nominal": NOMINAL, "slowdown": round(timings.slowdown, 2)}
    return {**figures, "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2), "passes": timings.passes}


def _warm(model: Model, rows: Encoded, now: Clock) -> float:
    """Seconds of the fastest of the first calls; fewer of them where one takes long."""
    fastest, began = np.inf, now()
    for number in range(WARM_UP):
        started = now()
        place = number % len(rows)
        model.score(rows[place : place + 1])
        fastest = min(fastest, now() - started)
        if now() - began > SECONDS / 10:
            break
    return float(fastest)


def _warm_reference(work: Reference, now: Clock) -> float:
    """Seconds of one unit, the fastest of a few."""
    fastest = np.inf
    for _ in range(WARM_UP):
        started = now()
        work(1)
        fastest = min(fastest, now() - started)
    return float(fastest) or 1e-9


@cache
def _reference() -> Reference:
    """Products of a row with a matrix that fits a core's cache: what a small network does, at a cost that is known."""
    random = np.random.default_rng(7)
    matrix = (random.normal(0, 1, (WIDTH, WIDTH)) / 16).astype(np.float32)
    row = random.normal(0, 1, (1, WIDTH)).astype(np.float32)

    def work(units: int) -> None:
        for _ in range(units):
            value = row
            for _ in range(LAYERS):
                value = np.tanh(value @ matrix)

    return work
