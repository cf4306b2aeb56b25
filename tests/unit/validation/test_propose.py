"""The proposal is valid Python that its own partition passes, however that is read; what it leaves out it names."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.row_rules.expectation import Suite
from include.validation.batch import Batch, open_database
from include.validation.propose import propose
from include.validation.scan import check_batch, scan_batch
from tests.support.later import Later
from tests.unit.validation.conftest import flights

library = Later("include.backends.great_expectations.expectations")
ROWS = 40
NUMBERS = [float(n) for n in range(ROWS)]


def proposed(table: pa.Table, folder: Path, source: str = "flights") -> tuple[str, Suite, Batch]:
    pq.write_table(table, path := folder / "part.parquet")
    batch = Batch(source, path, open_database())
    text = propose(batch, source)
    names: dict[str, Any] = {}
    exec(compile(text, "proposed.py", "exec"), names)
    return text, names["EXPECTATIONS"][source], batch


def passes(suite: Suite, batch: Batch, folder: Path) -> bool:
    batch.check_schema(suite.rules)
    whole = check_batch("whole", batch, suite.rules, library.open_expectations())
    scanned = scan_batch("scanned", batch, suite.rules, library.open_expectations())
    met = all(check.success and not check.broken for check in (*whole, *scanned))
    return met and batch.quarantine(suite.rules, folder / "bad.parquet") == 0


def bounds(suite: Suite, column: str) -> dict[str, Any]:
    kind = "ExpectColumnValuesToBeBetween"
    (rule,) = [rule for rule in suite.rules if rule.kind == kind and rule.columns == (column,)]
    return {name: value for name, value in rule.arguments.items() if name != "column"}


def test_its_own_partition_passes(tmp_path: Path) -> None:
    delay = [None, float("nan"), *[float(n - 30) for n in range(18)]]
    table = flights(20, delay=delay, gate=[None] * 20, seats=list(range(100, 120)))
    _, suite, batch = proposed(table, tmp_path)
    assert passes(suite, batch, tmp_path)


def test_it_says_what_the_partition_shows(tmp_path: Path) -> None:
    text, suite, _ = proposed(flights(20, gate=pa.array([None] * 20, pa.string())), tmp_path)
    rules = {str(rule) for rule in suite.rules}
    assert "ExpectColumnValuesToBeUnique(column='id')" in rules
    assert "ExpectColumnValuesToBeInSet(column='carrier', value_set=['AA', 'B6'])" in rules
    assert "# gate holds no value in this partition." in text


HARD = {
    "infinity": pa.array([math.inf, *NUMBERS[1:]]),
    "minus infinity": pa.array([-math.inf, *NUMBERS[1:]]),
    "both infinities": pa.array([math.inf, -math.inf, *NUMBERS[2:]]),
    "nothing but infinity": pa.array([math.inf] * ROWS),
    "single infinity": pa.array([math.inf, *NUMBERS[1:]], pa.float32()),
    "nan": pa.array([math.nan, *NUMBERS[1:]]),
    "nothing but nan": pa.array([math.nan] * ROWS),
    "all null": pa.nulls(ROWS, pa.float64()),
    "null type": pa.nulls(ROWS),
    "the whole range of doubles": pa.array([1.7e308, -1.7e308] * (ROWS // 2)),
    "subnormal": pa.array([5e-324 * n for n in range(ROWS)]),
    "many digits": pa.array([1234567.891 + n * 1e-4 for n in range(ROWS)]),
    "many digits below zero": pa.array([-1234567.891 - n * 1e-4 for n in range(ROWS)]),
    "one value of many digits": pa.array([0.123456789] * ROWS),
    "large integers": pa.array([2**62 + n for n in range(ROWS)], pa.int64()),
    "the whole range of integers": pa.array([2**63 - 1, -(2**63)] * (ROWS // 2), pa.int64()),
    "beyond signed integers": pa.array([2**63 + n for n in range(ROWS)], pa.uint64()),
    "small integers": pa.array([-128, 127] * (ROWS // 2), pa.int8()),
    "decimals": pa.array([Decimal(n) / 4 for n in range(ROWS)], pa.decimal128(10, 2)),
    "wide decimals": pa.array([Decimal("12345678901234567890.123")] * ROWS, pa.decimal128(38, 3)),
    "dates": pa.array([date(2013, 1, 1) + timedelta(days=n) for n in range(ROWS)]),
    "times": pa.array([time(n % 24) for n in range(ROWS)], pa.time64("us")),
    "zoned times": pa.array([datetime(2013, 1, 1, tzinfo=UTC)] * ROWS, pa.timestamp("us", "UTC")),
    "line breaks": pa.array(["a\nb", 'c\'d"""'] * (ROWS // 2)),
    "nul and emoji": pa.array(["a\0b", "\u00e9\U0001f642"] * (ROWS // 2)),
    "lengths of emoji": pa.array([("\u00e9" if n % 2 else "\U0001f642") + str(n) for n in range(10, 10 + ROWS)]),
    "joined emoji": pa.array(["\U0001f469\u200d\U0001f4bb" + str(n) for n in range(10, 10 + ROWS)]),
    "dictionary": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
    "bytes": pa.array([b"x"] * ROWS),
    "lists": pa.array([[1]] * ROWS),
    "halves": pa.array(NUMBERS, pa.float32()).cast(pa.float16()),
    "booleans": pa.array([True, False] * (ROWS // 2)),
}


@pytest.mark.thorough
def test_hard_values_make_rules_that_the_same_partition_passes(tmp_path: Path) -> None:
    """All in one partition: each of the proofs runs the library twice."""
    text, suite, batch = proposed(pa.table({"id": [f"k{n}" for n in range(ROWS)], **HARD}), tmp_path)
    assert passes(suite, batch, tmp_path)
    ruled = {column for rule in suite.rules for column in rule.columns}
    assert [name for name in HARD if name not in ruled and f"# {name} " not in text] == []
    assert bounds(suite, "infinity") == {"min_value": 0.0}
    assert "# infinity holds infinity: it is not bounded above." in text
    assert bounds(suite, "minus infinity") == {"max_value": 58.0}
    assert bounds(suite, "large integers") == {"min_value": 2**62 - 20, "max_value": 2**62 + 59}
    assert bounds(suite, "the whole range of integers") == {"min_value": -(2**63), "max_value": 2**63 - 1}
    assert bounds(suite, "one value of many digits") == {"min_value": 0.123456789, "max_value": 0.123457}
    assert bounds(suite, "many digits")["min_value"] < 1234567.891


@pytest.mark.parametrize(
    "names",
    [
        ['size "in"', "it's", "a\\b'c", "a{b}", "%s", '"""', "class", "on_failure", "kind", "# x"],
        ["a\nimport os", "tab\t", "\u2028", "\r", " leading", "\u00e9\U0001f642"],
        ["", "x", "y"],
    ],
)
def test_any_name_makes_valid_python(names: list[str], tmp_path: Path) -> None:
    columns = [pa.nulls(ROWS, pa.float64()), *[pa.array(NUMBERS)] * (len(names) - 1)]
    text, suite, batch = proposed(pa.table(columns, names=names), tmp_path)
    assert passes(suite, batch, tmp_path)
    ruled = {column for rule in suite.rules for column in rule.columns}
    assert [name for name in names if name not in ruled and f"# {name} " not in text] == []


@pytest.mark.parametrize("source", ["flights", "my-source", "2013", "a b", "class", "\u00e9"])
def test_any_source_makes_valid_python(source: str, tmp_path: Path) -> None:
    _, suite, batch = proposed(pa.table({"x": NUMBERS}), tmp_path, source)
    assert passes(suite, batch, tmp_path)


def test_a_partition_without_rows_proposes_types_alone(tmp_path: Path) -> None:
    text, suite, _ = proposed(pa.table({"x": NUMBERS, "s": ["a"] * ROWS}).slice(0, 0), tmp_path)
    assert {rule.kind for rule in suite.rules} == {"ExpectColumnValuesToBeInTypeList"}
    assert "# x holds no value in this partition." in text


def test_a_rule_that_the_partition_itself_does_not_pass_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.validation.draft._whole_bounds", lambda low, high, kind: (high + 1, high + 2))
    text, suite, batch = proposed(pa.table({"n": list(range(ROWS))}), tmp_path)
    assert passes(suite, batch, tmp_path)
    assert "# n is left out of ExpectColumnValuesToBeBetween(min_value=40, max_value=41)" in text
