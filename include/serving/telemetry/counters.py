"""Counters and histograms, kept in memory that all workers share.

Each process writes an arena of its own (no lock, and 0.1 microseconds a count), and any of them answers a scrape
for all: counts are added up. A process that is killed leaves its counts; the one that takes its place counts on.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left
from collections.abc import Iterator

from include.serving.telemetry.exposition import BOUNDS, BUCKETS, Family, Labels
from include.serving.telemetry.shared_memory import SharedMemory, append_text, read_text

Series = dict[str, dict[Labels, list[float]]]  # by metric and labels
_BOUNDS_US = tuple(bound * 1e6 for bound in BOUNDS)
VALUES, TEXT = 32_768, 1 << 20  # an arena: how many numbers, and bytes of their names
ARENA = 8 * VALUES + 8 + TEXT


class Arena:
    """One process's numbers: series are found by name and labels, then written by place."""

    def __init__(self, memory: SharedMemory, start: int) -> None:
        self._memory, self._text = memory.memory, start + 8 * VALUES
        self.values: memoryview[float] = memory.doubles(start, VALUES)
        self._places: dict[tuple[str, Labels], int] = {}
        self._used = BUCKETS + 1  # the first places take what no longer fits
        self._lock = threading.Lock()
        for name, labels, place, width in self._entries():  # a process before this one had the arena
            self._places[(name, labels)] = place
            self._used = max(self._used, place + width)

    def place(self, name: str, labels: Labels, width: int) -> int:
        """Where a series' numbers begin; made on first use."""
        found = self._places.get((name, labels))
        if found is None:
            with self._lock:
                found = self._places.get((name, labels)) or self._make(name, labels, width)
        return found

    def _make(self, name: str, labels: Labels, width: int) -> int:
        line = json.dumps([name, labels, self._used, width]).encode() + b"\n"
        place = 0
        if self._used + width <= VALUES and append_text(self._memory, self._text, line, TEXT):
            place, self._used = self._used, self._used + width
        self._places[(name, labels)] = place
        return place

    def _entries(self) -> Iterator[tuple[str, Labels, int, int]]:
        for line in read_text(self._memory, self._text).splitlines():
            name, labels, place, width = json.loads(line)
            yield name, tuple(labels), place, width

    def series(self) -> Iterator[tuple[str, Labels, list[float]]]:
        """Everything the arena holds, read from the shared memory."""
        for name, labels, place, width in self._entries():
            yield name, labels, list(self.values[place : place + width])


class Counter:
    def __init__(self, arena: Arena, family: Family) -> None:
        self._arena, self.family, self._values = arena, family, arena.values

    def add(self, *labels: str, by: float = 1) -> None:
        self._values[self._arena.place(self.family.name, labels, 1)] += by


ARM, VIEW = ("model", "version", "arm"), ("model", "view")
FAMILIES = {
    "requests": Family("slipstream_requests_total", "Predictions answered.", "counter", ARM),
    "latency": Family("slipstream_latency_seconds", "From the start of a request's batch to its score.", "histogram", ARM),
    "errors": Family(
        "slipstream_model_errors_total", "Predictions for which the arm's own model gave no score.", "counter", ("model", "arm")
    ),
    "degraded": Family("slipstream_degraded_total", "Answers that were not the best there are.", "counter", ("model", "reason")),
    "shadow": Family(
        "slipstream_shadow_total", "Mirrored requests: scored, failed, dropped.", "counter", ("model", "version", "result")
    ),
    "refused": Family("slipstream_refused_total", "Requests answered with a 4xx or 5xx.", "counter", ("status",)),
    "labels": Family("slipstream_labels_total", "Labels received.", "counter", ("model",)),
    "pushed": Family("slipstream_pushed_rows_total", "Feature rows pushed to the online store.", "counter", ("model", "view")),
    "asked": Family("slipstream_entities_asked_total", "Entities whose row of a view was asked for.", "counter", VIEW),
    "missing": Family("slipstream_entities_missing_total", "Those of which the view had no row online.", "counter", VIEW),
    "log_bytes": Family("slipstream_log_bytes_total", "Bytes of the prediction log written.", "counter", ("model",)),
    "circuits": Family(
        "slipstream_circuit_opened_total", "Times that the circuit of the store or of a version opened.", "counter", ("circuit",)
    ),
    "explained": Family(
        "slipstream_explanations_total",
        "Answers that were to be explained: computed, cached, or why they were not.",
        "counter",
        ("model", "result"),
    ),
    "explaining": Family(
        "slipstream_explanation_seconds_total", "Seconds of processor that explanations took.", "counter", ("model",)
    ),
    "workers": Family("slipstream_worker_starts_total", "Worker processes that became ready.", "counter", ()),
}


class Metrics:
    """Everything the gateway counts. `arm` is the one an entity belongs to; `version` the one that answered."""

    def __init__(self, memory: SharedMemory | None = None, arena: int = 0) -> None:
        self._memory = memory or SharedMemory(ARENA)
        self._arena = Arena(self._memory, arena * ARENA)
        made = {name: Counter(self._arena, family) for name, family in FAMILIES.items() if family.kind == "counter"}
        self.requests, self.errors, self.degraded = made["requests"], made["errors"], made["degraded"]
        self.shadow, self.refused, self.labels = made["shadow"], made["refused"], made["labels"]
        self.pushed, self.log_bytes, self.workers = made["pushed"], made["log_bytes"], made["workers"]
        self.circuits, self.asked, self.missing = made["circuits"], made["asked"], made["missing"]
        self.explained, self.explaining = made["explained"], made["explaining"]
        self._predicted: dict[tuple[str, int | None, str], tuple[int, int]] = {}

    def predicted(self, model: str, version: int | None, arm: str, latency_us: float) -> None:
        """One prediction: the request and its latency."""
        found = self._predicted.get((model, version, arm)) or self._series(model, version, arm)
        values, (count, buckets) = self._arena.values, found
        values[count] += 1
        values[buckets + bisect_left(_BOUNDS_US, latency_us)] += 1
        values[buckets + BUCKETS] += latency_us / 1e6

    def _series(self, model: str, version: int | None, arm: str) -> tuple[int, int]:
        labels = (model, "default" if version is None else str(version), arm)
        count = self._arena.place(FAMILIES["requests"].name, labels, 1)
        buckets = self._arena.place(FAMILIES["latency"].name, labels, BUCKETS + 1)
        self._predicted[(model, version, arm)] = found = (count, buckets)
        return found

    def series(self) -> Series:
        """Everything counted so far, of all processes."""
        merged: Series = {family.name: {} for family in FAMILIES.values()}
        for start in range(0, self._memory.size, ARENA):
            for name, labels, numbers in Arena(self._memory, start).series():
                known = merged.setdefault(name, {}).get(labels)
                merged[name][labels] = [a + b for a, b in zip(known, numbers, strict=True)] if known else numbers
        return merged
