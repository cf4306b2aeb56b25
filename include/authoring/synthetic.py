"""Rows for a check where nothing has landed yet: made from what the expectations declare of each source's columns.

They have the declared types, value sets and bounds, keys that are unique where they are said to be, and the same keys in every
source. There is nothing to learn from them: a fit of them shows that it runs, and no more.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from include.core.partition import Partition
from include.core.spec import PartitionOwner
from include.row_rules.expectation import KINDS, Expectation, load_suite

ROWS = 250  # a day and source
NAMES = 20  # different texts of a column that is no key
SETS = ("ExpectColumnValuesToBeInSet", "ExpectColumnDistinctValuesToBeInSet", "ExpectColumnDistinctValuesToEqualSet")
BETWEEN = "ExpectColumnValuesToBeBetween"
UNIQUE = "ExpectColumnValuesToBeUnique"
_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "timestamp": pa.timestamp("us"), "boolean": pa.bool_(),
}  # fmt: skip

Rules = Sequence[Expectation]


@dataclass(frozen=True)
class Draw:
    """How one source's values of one day are drawn."""

    day: Partition
    begins: datetime  # of the times of this source
    length: timedelta
    keys: frozenset[str]  # columns that are unique in one source or another
    chance: random.Random

    @property
    def _number(self) -> int:
        """Of the day, or of what is finer: none has that of another."""
        return self.day.start.toordinal() if self.day.is_day else int(self.day.start.replace(tzinfo=UTC).timestamp()) // 900

    def column(self, name: str, kind: str, rules: Rules) -> pa.Array:
        """ROWS values that meet the column's own rules, as far as those are about types, sets and bounds."""
        values = next((list(rule.arguments["value_set"]) for rule in rules if rule.kind in SETS), [])
        if values:
            return pa.array([self.chance.choice(values) for _ in range(ROWS)])
        return pa.array([self._value(name, kind, row, rules) for row in range(ROWS)], _TYPES[kind])

    def _value(self, name: str, kind: str, row: int, rules: Rules) -> Any:
        if kind == "timestamp":
            return self.begins + self.chance.random() * self.length
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind == "text":
            return f"{name}-{self.day}-{row}" if name in self.keys else f"{name}-{self.chance.randrange(NAMES)}"
        if name in self.keys:
            return self._number * ROWS + row
        low, high = _bounds(rules)
        return self.chance.randint(int(low), int(high)) if kind == "integer" else self.chance.uniform(low, high)


def sources_of(spec: PartitionOwner, day: Partition | date) -> dict[str, pa.Table]:
    """A day's rows by source; a source of which no column is declared is left out."""
    day = spec.data.cadence.of(day)
    suites = {source: load_suite(spec.expectations, source).rules for source in spec.data.sources}
    keys = frozenset(rule.columns[0] for rules in suites.values() for rule in rules if rule.kind == UNIQUE)
    made: dict[str, pa.Table] = {}
    for place, (source, rules) in enumerate(suites.items()):
        if not (declared := declared_columns(rules)):
            continue
        # Each source's times come after those of the source before: an answer follows its question.
        length = day.length / len(suites)
        draw = Draw(day, day.start + place * length, length, keys, random.Random(f"{source} {day}"))
        own = {name: [rule for rule in rules if name in rule.columns] for name in declared}
        made[source] = pa.table({name: draw.column(name, kind, own[name]) for name, kind in declared.items()})
    return made


def declared_columns(rules: Rules) -> dict[str, str]:
    """Column to kind (text, integer, number, timestamp, boolean): as its type rule says, else as its other rules suggest."""
    kinds: dict[str, str] = {}
    for rule in rules:
        for column in rule.columns:
            kinds.setdefault(column, _guess([other for other in rules if column in other.columns]))
    return kinds


def _guess(rules: Rules) -> str:
    for rule in rules:
        if rule.types:
            return next((kind for kind, types in KINDS.items() if set(rule.types) <= set(types)), "text")
    for rule in rules:
        values = list(rule.arguments.get("value_set", ())) if rule.kind in SETS else []
        if values and all(isinstance(value, int | float) for value in values):
            return "integer" if all(isinstance(value, int) for value in values) else "number"
        if rule.kind == BETWEEN:
            return "number"
    return "text"


def _bounds(own: Rules) -> tuple[float, float]:
    """Of a number: as its rule says, else 0 and 100; where one side is open, 100 from the other."""
    given: Mapping[str, Any] = next((rule.arguments for rule in own if rule.kind == BETWEEN), {})
    low, high = given.get("min_value"), given.get("max_value")
    if low is None:
        return (0.0, 100.0) if high is None else (float(high) - 100, float(high))
    return float(low), float(low) + 100 if high is None else float(high)
