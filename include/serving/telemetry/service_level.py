"""What callers were promised, as counters: how many requests a promise is about, how many broke it, how many may.

Derived from the gateway's own counts when it is scraped, so that a request pays nothing for it. One alert rule then
serves every model and promise: bad / events, against the budget.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from include.core.spec import Objectives
from include.serving.telemetry.counters import FAMILIES, Series
from include.serving.telemetry.exposition import BOUNDS, BUCKETS, Family, Sample

EVENTS, BAD, BUDGET = "slipstream_slo_events_total", "slipstream_slo_bad_total", "slipstream_slo_budget"
LABELS = ("model", "slo")
OBJECTIVES = (
    Family(EVENTS, "Requests that an objective is about.", "counter", LABELS),
    Family(BAD, "Those that broke it.", "counter", LABELS),
    Family(BUDGET, "The share that may.", "gauge", LABELS),
)


def samples(series: Series, promised: Iterable[tuple[str, Objectives]]) -> Iterator[Sample]:
    """`promised`: each model with its objectives. The latency's bound is the histogram's next one above it."""
    for model, objectives in promised:
        events = _sum(series, "requests", model)
        late = min(bisect_left(BOUNDS, objectives.latency.total_seconds()), len(BOUNDS) - 1) + 1
        broken = {
            "errors": (_sum(series, "errors", model), objectives.errors),
            "latency": (_sum(series, "latency", model, late, BUCKETS), objectives.slow),
        }
        for slo, (bad, budget) in broken.items():
            yield EVENTS, (model, slo), events
            yield BAD, (model, slo), bad
            yield BUDGET, (model, slo), budget


def _sum(series: Series, family: str, model: str, first: int = 0, last: int = 1) -> float:
    found = series[FAMILIES[family].name]
    return sum(sum(numbers[first:last]) for labels, numbers in found.items() if labels[0] == model)
