from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from include.monitoring.performance.shadow_comparison import compare, comparisons
from include.monitoring.performance.terms import Terms
from tests.support.scored_rows import Floats, two_models
from tests.support.synthetic_predictions import MADE, beside
from tests.unit.monitoring.performance.late_labels import HERE, week

TERMS = Terms("auc", 200, 0.5)


def pairs(label: Floats, champion: Floats, challenger: Floats, days: int = 10) -> pa.Table:
    """Rows that both scored, spread over days."""
    day = np.arange(len(label)) * days // len(label)
    times = pa.array(np.datetime64("2013-04-01", "us") + day * np.timedelta64(1, "D"))
    return pa.table({"label": label, "score": challenger, "answered": champion, "event_time": times})


def test_a_shadow_is_compared_on_the_rows_that_the_champion_answered() -> None:
    table = week(MADE, timedelta(hours=1), HERE.end)
    none = beside(table, shadow=None)["shadow.parquet"]
    assert isinstance(none, pa.Table)
    assert list(comparisons(none, 1, TERMS)) == []
    shadow = table.select(["request_id", "event_time", "label"]).append_column("version", pa.array([2] * 1050))
    shadow = shadow.append_column("score", pa.array(np.random.default_rng(0).random(1050)))
    shadow = shadow.append_column("answered", table["score"]).append_column("answered_by", pa.array([1] * 900 + [7] * 150))
    (found,) = comparisons(shadow, 1, TERMS)
    assert (found.challenger, found.rows) == (2, 900 - table["label"].slice(0, 900).null_count)
    assert "worse than the champion" in found.summary
    assert found.to_json()["words"] == found.summary
    assert list(comparisons(shadow.slice(0, 100), 1, TERMS)) == []


@pytest.mark.parametrize("metric", ["auc", "log_loss", "accuracy", "f1"])
def test_better_is_positive_whatever_the_metric_counts(metric: str) -> None:
    label, first, second = two_models(1, 20_000, gain=1.0)
    found = compare(pairs(label, first, second), 3, Terms(metric, 200, 0.4))
    assert found.better == pytest.approx(abs(found.challenger_value - found.champion_value))
    assert found.better > 3 * found.error
    assert "Version 3 is better than the champion on the same 20,000 rows" in found.summary
    assert compare(pairs(label, second, first), 3, Terms(metric, 200, 0.4)).better == pytest.approx(-found.better)


def test_equal_scores_are_as_good_and_days_that_differ_widen_the_error() -> None:
    label, first, second = two_models(2)
    same = compare(pairs(label, first, first), 2, TERMS)
    assert (same.better, same.error) == (0.0, 0.0)
    assert "as good as" in same.summary
    stormy = np.where(np.arange(800) // 100 == 3, 1 - second, second)
    by_day, together = (compare(pairs(label, first, stormy, days), 2, TERMS) for days in (8, 1))
    assert by_day.error > 2 * together.error
