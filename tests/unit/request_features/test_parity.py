from __future__ import annotations

from datetime import datetime
from typing import Any

from include.request_features.compiled import compiled
from include.request_features.interpreted import Interpreted
from include.request_features.parity import bits, difference, generated
from tests.support.expressions import wanted


def test_a_function_that_differs_in_one_bit_is_told_with_its_row() -> None:
    one = wanted("f + g")
    rows = generated(one.given, 100)

    def wrong(row: dict[str, Any], moment: datetime) -> None:
        right(row, moment)
        if row["out"] and row["out"] > 1000:
            row["out"] = row["out"] + 1e-9

    right = compiled(one.expressions, one.features)
    assert difference(one, right, rows) == ""
    assert "by DuckDB" in difference(one, wrong, rows)


def test_the_sign_of_zero_and_the_type_count() -> None:
    assert bits(0.0) != bits(-0.0)
    assert bits(1) != bits(True)
    assert bits(None) == bits(None)


def test_rows_are_those_of_their_seed_and_hold_what_arithmetic_fails_at() -> None:
    given = wanted("f + i + length(s)").given
    rows = generated(given, 300)
    assert rows.equals(generated(given, 300))
    assert not rows.equals(generated(given, 300, seed=8))
    found = {name: rows[name].to_pylist() for name in ("f", "i", "s")}
    assert {None, 0.0, 5e-324} <= set(found["f"])
    assert {None, 2**63 - 1, -(2**63)} <= set(found["i"])
    assert {None, "", "é"} <= set(found["s"])


def test_a_row_by_duckdb_is_the_same() -> None:
    one = wanted("CASE WHEN b THEN f / i ELSE g END")
    rows = generated(one.given, 40)
    assert difference(one, Interpreted(one), rows) == ""
