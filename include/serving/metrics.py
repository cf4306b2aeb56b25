"""Counters and histograms in Prometheus' text format. Own ones: a dictionary entry costs a tenth of the client's.

Each series is written by one thread only (the event loop, or the shadow's worker), so no lock is needed.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

Labels = tuple[str, ...]
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds


class Counter:
    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: defaultdict[Labels, int] = defaultdict(int)

    def add(self, *values: str) -> None:
        self.values[values] += 1

    def lines(self) -> Iterable[str]:
        yield from _head(self.name, self.text, "counter")
        for values, count in sorted(self.values.copy().items()):
            yield f"{self.name}{_labels(self.labels, values)} {count}"


class Histogram:
    """Latencies in seconds over fixed bounds."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.buckets: dict[Labels, list[int]] = {}
        self.sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, seconds: float, *values: str) -> None:
        buckets = self.buckets.get(values)
        if buckets is None:
            buckets = self.buckets[values] = [0] * (len(BOUNDS) + 1)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sums[values] += seconds

    def lines(self) -> Iterable[str]:
        yield from _head(self.name, self.text, "histogram")
        for values, buckets in sorted(self.buckets.copy().items()):
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                yield f"{self.name}_bucket{_labels((*self.labels, 'le'), (*values, bound))} {total}"
            yield f"{self.name}_sum{_labels(self.labels, values)} {self.sums[values]:.6f}"
            yield f"{self.name}_count{_labels(self.labels, values)} {total}"


class Metrics:
    """Everything the gateway counts. `arm` is the one an entity belongs to; `version` the one that answered."""

    def __init__(self) -> None:
        arm = ("model", "version", "arm")
        self.requests = Counter("slipstream_requests_total", "Predictions answered.", *arm)
        self.errors = Counter(
            "slipstream_model_errors_total", "Predictions for which the arm's own model gave no score.", "model", "arm"
        )
        self.latency = Histogram("slipstream_latency_seconds", "From the decoded request to the score.", *arm)
        self.degraded = Counter("slipstream_degraded_total", "Answers that were not the best there are.", "model", "reason")
        self.shadow = Counter(
            "slipstream_shadow_total", "Mirrored requests: scored, failed, dropped.", "model", "version", "result"
        )
        self.refused = Counter("slipstream_refused_total", "Requests answered with a 4xx or 5xx.", "status")
        self.labels = Counter("slipstream_labels_total", "Labels received.", "model")
        self.pushed = Counter("slipstream_pushed_rows_total", "Feature rows pushed to the online store.", "model", "view")

    def text(self, generations: Mapping[str, int]) -> str:
        """The page that Prometheus scrapes. `generations`: the applied route of each model."""
        lines = [line for metric in vars(self).values() for line in metric.lines()]
        lines += _head("slipstream_route_generation", "Generation of the applied route.", "gauge")
        lines += [f"slipstream_route_generation{_labels(('model',), (model,))} {value}" for model, value in generations.items()]
        return "\n".join(lines) + "\n"


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(names: Labels, values: Labels) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}" if names else ""
