"""What SQL must measure to judge a rule as great_expectations does, and how a figure becomes a check.

A plan holds SQL aggregates, all of which one scan of the partition computes together, and what to make of
their values. Property tests hold every plan to great_expectations' own verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from include.core.json_types import Json
from include.row_rules.expectation import Expectation
from include.validation.verdict import Check

SAMPLE = 5


class Scan(Protocol):
    """The partition under judgement."""

    @property
    def source(self) -> str:
        """What stands after FROM."""

    @property
    def rows(self) -> int: ...

    def query(self, sql: str) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Plan:
    """`aggregates` are SQL expressions; `judge` gets their values, and may ask the scan for more."""

    aggregates: tuple[str, ...]
    judge: Callable[[Scan, tuple[Any, ...]], Check]


def counted(rule: Expectation, rows: int, judged: int, unexpected: int, sample: Sequence[Any]) -> Check:
    """A rule with `mostly`: vacuously met where no row was judged."""
    met = judged == 0 or (float(judged) - float(unexpected)) / float(judged) >= rule.arguments.get("mostly", 1)
    return Check(
        str(rule),
        ", ".join(rule.columns),
        rule.on_failure,
        met,
        judged=judged,
        unexpected=unexpected,
        percent=round(100 * unexpected / rows, 3) if rows else 0.0,
        sample=tuple(plain(value) for value in sample),
    )


def observing(rule: Expectation, met: bool, observed: Json) -> Check:
    return Check(str(rule), ", ".join(rule.columns), rule.on_failure, met, observed=plain(observed))


def in_range(rule: Expectation, observed: Any) -> Check:
    """A missing figure meets no range."""
    missing = observed is None or (isinstance(observed, float) and math.isnan(observed))
    low, high = rule.arguments.get("min_value"), rule.arguments.get("max_value")
    met = not missing
    if met and low is not None:
        met = observed > low if rule.arguments.get("strict_min") else observed >= low
    if met and high is not None:
        met = observed < high if rule.arguments.get("strict_max") else observed <= high
    return observing(rule, met, None if missing else observed)


def plain(value: Any) -> Json:
    """A JSON value: numpy and pandas scalars unwrapped, NaN as None, infinities as text, times as ISO text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    scalar = value.item() if hasattr(value, "item") else value
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return None if math.isnan(scalar) else str(scalar)
    return scalar if scalar is None or isinstance(scalar, str | bool | int | float) else str(scalar)[:200]
