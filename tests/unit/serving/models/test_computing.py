from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import pytest

from include.request_features.interpreted import Interpreted
from include.serving.models import computing
from include.serving.models.computing import checked_computing, open_computing
from tests.support.expressions import computed, features, wanted

AT = datetime.fromisoformat("2024-02-29T10:00:00")


def test_a_version_computes_by_the_compiled_function() -> None:
    made = checked_computing(wanted("f / nullif(i, 0)"))
    row: dict[str, Any] = {"f": 6.0, "i": 4}
    assert made(row, AT)
    assert row["out"] == 1.5
    assert made.differed == ""


def test_a_function_that_differs_from_duckdb_is_not_used(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: Any) -> Any:
        return lambda row, moment: row.update(out=41.0)

    monkeypatch.setattr(computing, "compiled", broken)
    with caplog.at_level(logging.ERROR):
        made = checked_computing(wanted("f * 2"))
    assert "computed by DuckDB" in caplog.text
    assert "is 41.0 here" in made.differed
    assert isinstance(made.derive, Interpreted)
    row = {"f": 21.0}
    assert made(row, AT)
    assert row["out"] == 42.0


def test_a_row_that_holds_what_no_column_does_has_nothing_computed() -> None:
    made = checked_computing(wanted("f * 2"))
    row: dict[str, Any] = {"f": "no number", "out": 3}
    assert not made(row, AT)
    assert row["out"] is None


def test_a_model_that_computes_nothing_has_nothing_to_open() -> None:
    assert open_computing({"inputs": []}, features(computed("f"))) is None
