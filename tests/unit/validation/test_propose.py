"""The proposal runs, and its own partition passes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from include.backends.great_expectations import open_expectations
from include.validation.batch import Batch, open_database
from include.validation.expectation import Suite
from include.validation.propose import propose
from tests.unit.validation.conftest import flights


def proposed(table: pa.Table, folder: Path) -> tuple[str, Suite, Batch]:
    pq.write_table(table, path := folder / "part.parquet")
    batch = Batch("flights", path, open_database())
    text = propose(batch, "flights")
    names: dict[str, Any] = {}
    exec(text, names)
    return text, names["EXPECTATIONS"]["flights"], batch


def test_its_own_partition_passes(tmp_path: Path) -> None:
    delay = [None, float("nan"), *[float(n - 30) for n in range(18)]]
    table = flights(20, delay=delay, gate=[None] * 20, seats=list(range(100, 120)))
    _, suite, batch = proposed(table, tmp_path)
    checks = open_expectations().check("proposal", batch.read(), suite.rules)
    assert [check for check in checks if not check.success or check.broken] == []
    assert batch.quarantine(suite.rules, tmp_path / "bad.parquet") == 0


def test_it_says_what_the_partition_shows(tmp_path: Path) -> None:
    text, suite, _ = proposed(flights(20, gate=pa.array([None] * 20, pa.string())), tmp_path)
    rules = {str(rule) for rule in suite.rules}
    assert "ExpectColumnValuesToBeUnique(column='id')" in rules
    assert "ExpectColumnValuesToBeInSet(column='carrier', value_set=['AA', 'B6'])" in rules
    assert "# gate holds no value in this partition." in text
