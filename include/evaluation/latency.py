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

from include.core.request import Json
from include.metrics.ranks import Values
from include.model_contract.model import Floats, Model

Clock = Callable[[], float]  # seconds
Reference = Callable[[int], None]  # does the work that many times

NOMINAL = 0.015  # milliseconds of one unit of the reference, on the machine whose milliseconds a spec's limit means
WIDTH, LAYERS = 256, 4  # of the reference: as many products of a row with a square matrix as layers
LATENCY_ROWS = 256  # of the holdout: enough for a p99 over rows
WARM_UP, CALLS = 50, 1000  # calls a model at least, where they are fast
PASSES, MOST_PASSES = 4, 16  # over the rows; more only while the limit is exceeded
BLOCK = 16  # rows that a model takes before it is another one's turn
SECONDS = 10.0  # about as long as the first passes of a slow model may take
MOST_UNITS = 2000  # of a reference call: 30 ms


@dataclass
class Turns:
    """The fastest call with each row, by model, and of the reference in each of its places; and all calls of the first."""

    rows: int
    models: int
    units: int  # of a reference call
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
    model: Model, rows: Floats, limit: float | None = None, clock: Clock | None = None, reference: Reference | None = None
) -> dict[str, Json]:
    """Milliseconds of a call with one row: `p50`, `p99`, `mean`. `rows` float32 [n, inputs] are cycled through.

    Beside them what was `seen` on the clock, the `reference` (its milliseconds, and how many times its known cost they are),
    and the machine's `load` (runnable processes a core). While p99 exceeds `limit` it is measured on, a few times.
    """
    return measure_in_turns([model], rows, limit, clock, reference)[0]


def measure_in_turns(
    models: Sequence[Model],
    rows: Floats,
    limit: float | None = None,
    clock: Clock | None = None,
    reference: Reference | None = None,
) -> list[dict[str, Json]]:
    """The same of several models in the same minutes, so that they may be compared. `limit` is for the first."""
    now, work = clock or time.perf_counter, reference or _reference()
    cost = max(_warm(model, rows, now) for model in models)
    rows = rows[: max(BLOCK, min(len(rows), int(SECONDS / PASSES / cost)))] if cost > 0 else rows
    turns = Turns(len(rows), len(models), max(1, min(MOST_UNITS, round(cost / _warm_reference(work, now)))))
    passes = max(PASSES, -(-CALLS // len(rows)) if cost * CALLS < SECONDS else 0)
    while turns.passes < passes or (turns.passes < MOST_PASSES and limit is not None and _p99(turns) > limit):
        _pass(turns, models, rows, now, work)
    return [_told(turns, number) for number in range(len(models))]


def _pass(turns: Turns, models: Sequence[Model], rows: Floats, now: Clock, work: Reference) -> None:
    """Once over the rows: a block by each model, then the reference twice."""
    for block, start in enumerate(range(0, len(rows), BLOCK)):
        for number, model in enumerate(models):
            for place in range(start, min(start + BLOCK, len(rows))):
                row = rows[place][np.newaxis]
                started = now()
                model.score(row)
                spent = now() - started
                turns.best[number][place] = min(turns.best[number][place], spent)
                if number == 0:
                    turns.seen.append(spent)
        for place in (2 * block, 2 * block + 1):
            started = now()
            work(turns.units)
            turns.reference[place] = min(turns.reference[place], now() - started)
    turns.passes += 1


def _p99(turns: Turns) -> float:
    return float(np.percentile(turns.row_ms(0), 99))


def _told(turns: Turns, number: int) -> dict[str, Json]:
    p50, p99 = np.percentile(turns.row_ms(number), (50, 99))
    told: dict[str, Json] = {"p50": round(float(p50), 4), "p99": round(float(p99), 4)}
    told["mean"] = round(float(turns.row_ms(number).mean()), 4)
    if number == 0:
        seen = np.percentile(turns.seen, (50, 99)) * 1000
        told["seen"] = {"p50": round(float(seen[0]), 4), "p99": round(float(seen[1]), 4)}
    told["reference"] = {"ms": round(turns.unit_ms, 5), "nominal": NOMINAL, "slowdown": round(turns.slowdown, 2)}
    return {**told, "load": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2), "passes": turns.passes}


def _warm(model: Model, rows: Floats, now: Clock) -> float:
    """Seconds of the fastest of the first calls; fewer of them where one takes long."""
    fastest, began = np.inf, now()
    for number in range(WARM_UP):
        started = now()
        model.score(rows[number % len(rows)][np.newaxis])
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
