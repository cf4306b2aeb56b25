"""What monitoring says of a plain binary model, held number by number: kinds of problems must not move it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.core.ledger import Ledger
from include.core.settings import Settings
from include.monitoring.drift.drift_type import PLAIN
from include.monitoring.performance.terms import Terms
from include.monitoring.profile.prediction_columns import answer_columns
from include.problems.truth import Truth
from tests.support.monitor_runs import Monitor, week
from tests.support.synthetic_predictions import put

STORED = Path(__file__).parent / "binary_golden.json"


def found(monitor: Monitor) -> dict[str, Any]:
    """Values of the step for an ordinary week and for one whose scores promise too much."""
    reference = monitor.reference()
    table = week()
    label, score = (table[name].to_numpy(zero_copy_only=False) for name in ("label", "score"))
    bold = put(table, "score", [min(0.99, each * 1.6) for each in score.tolist()])
    columns = answer_columns(PLAIN, Truth(label), score, 0.3, table["label"])
    said: dict[str, Any] = {name: float(values.to_numpy().sum()) for name, values in columns.items()}
    for name, rows in (("ordinary", table), ("bold", bold)):
        for metric in ("auc", "log_loss"):
            said[f"{name} {metric}"] = monitor(rows, {"metric": metric}, reference=reference).value
    said["accuracy"] = list(Terms("accuracy", 200, 0.4).measured(table) or ())
    return said


@pytest.mark.thorough
def test_a_binary_model_is_judged_as_it_always_was(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    said = json.loads(json.dumps(found(Monitor(ledger, settings, scratch))))
    stored = json.loads(STORED.read_text())
    _same(said, stored, "")


def _same(said: Any, stored: Any, place: str) -> None:
    """All that was said before; what is new beside it may stand there."""
    if isinstance(stored, dict):
        for name, value in stored.items():
            assert name in said, f"{place}/{name}"
            _same(said[name], value, f"{place}/{name}")
    elif isinstance(stored, list):
        assert len(said) == len(stored), place
        for number, (one, other) in enumerate(zip(said, stored, strict=True)):
            _same(one, other, f"{place}/{number}")
    elif isinstance(stored, float):
        assert said == pytest.approx(stored, rel=1e-6, abs=1e-9), place
    else:
        assert said == stored, place
