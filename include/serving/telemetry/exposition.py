"""Prometheus' text format: a metric's name, words, kind and labels, and its lines.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Labels = tuple[str, ...]
Sample = tuple[str, Labels, float]  # a metric's name, the values of its labels, its value
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds
BUCKETS = len(BOUNDS) + 1


@dataclass(frozen=True)
class Family:
    """One metric: its name, what it says, its kind and its labels."""

    name: str
    text: str
    kind: str
    labels: Labels

    def lines(self, series: Mapping[Labels, list[float]]) -> Iterator[str]:
        yield from (f"# HELP {self.name} {self.text}", f"# TYPE {self.name} {self.kind}")
        for values, numbers in sorted(series.items()):
            if self.kind == "histogram":
                yield from self._histogram(values, numbers)
            else:
                yield f"{self.name}{_labels(self.labels, values)} {_number(numbers[0])}"

    def _histogram(self, values: Labels, numbers: list[float]) -> Iterator[str]:
        total = 0.0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), numbers, strict=False):
            total += count
            yield f"{self.name}_bucket{_labels((*self.labels, 'le'), (*values, bound))} {_number(total)}"
        yield f"{self.name}_sum{_labels(self.labels, values)} {numbers[BUCKETS]:.6f}"
        yield f"{self.name}_count{_labels(self.labels, values)} {_number(total)}"


def lines(families: Iterable[Family], samples: Iterable[Sample]) -> Iterator[str]:
    """The samples under their families, in the families' order: each metric's lines stay together."""
    series: dict[str, dict[Labels, list[float]]] = {}
    for name, values, value in samples:
        series.setdefault(name, {})[values] = [value]
    for family in families:
        yield from family.lines(series.get(family.name, {}))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _labels(names: Labels, values: Labels) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}" if names else ""
