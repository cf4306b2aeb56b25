from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.spec import MultiClass
from include.evaluation.baselines import boosted, historical
from include.metrics.binary import auc
from include.problems.of import PLAIN, problem_of
from include.problems.truth import Truth


def test_the_historical_rate_is_the_training_rows_own_smoothed() -> None:
    train = pa.table({"carrier": ["A"] * 980 + ["B"] * 20})
    labels = np.array([1.0] * 490 + [0.0] * 490 + [0.0] * 20)
    scores = historical(PLAIN, train, Truth(labels), pa.table({"carrier": ["A", "B", "new", None]}), "carrier")
    assert scores[0] == pytest.approx(0.5, abs=0.001)
    assert scores[1] == pytest.approx(0.49 * 20 / 40)  # half its own nothing, half the overall share
    assert scores[2] == scores[3] == pytest.approx(0.49)


def test_the_boosted_forest_learns_from_codes_and_missing_values() -> None:
    draw = np.random.default_rng(0)
    rows = np.column_stack([draw.integers(0, 5, 2000), draw.normal(size=2000), draw.normal(size=2000)]).astype(np.float32)
    rows[draw.random(2000) < 0.2, 1] = np.nan
    labels = ((rows[:, 0] % 2 == 0) ^ np.isnan(rows[:, 1])).astype(np.float64)
    scores = boosted(PLAIN, rows[:1500], Truth(labels[:1500]), rows[1500:], [0], 7)
    assert scores is not None
    assert auc(labels[1500:], scores) > 0.95


def test_of_many_classes_there_is_no_forest_which_would_take_longer_than_the_training() -> None:
    many = problem_of(MultiClass(classes=tuple(f"c{number}" for number in range(51))))
    assert boosted(many, np.zeros((10, 1), dtype=np.float32), Truth(np.arange(10.0)), np.zeros((2, 1), np.float32), [], 7) is None
