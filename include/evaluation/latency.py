"""How long one row takes: what a request will wait for, without the server around it."""

from __future__ import annotations

import time

import numpy as np

from include.core.request import Json
from include.evaluation.model import Floats, Model

WARM_UP, CALLS = 50, 1000


def measure_latency(model: Model, rows: Floats) -> dict[str, Json]:
    """Milliseconds of a call with one row: p50, p99, mean. `rows` float32 [n, inputs] are cycled through."""
    times = np.empty(CALLS)
    for number in range(-WARM_UP, CALLS):
        row = rows[number % len(rows)][np.newaxis]
        started = time.perf_counter()
        model.score(row)
        if number >= 0:
            times[number] = time.perf_counter() - started
    p50, p99 = np.percentile(times, (50, 99)) * 1000
    return {"p50": round(float(p50), 4), "p99": round(float(p99), 4), "mean": round(float(times.mean()) * 1000, 4)}
