from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from include.monitoring.performance.terms import CLASS_ROWS, Terms, arrays
from tests.support.synthetic_predictions import MADE, predictions, put, rows


def test_rows_are_measured_at_the_threshold_of_the_terms() -> None:
    table = predictions(rows(MADE, 7, 100, 3))
    label, score, day = arrays(table)
    found = Terms("accuracy", 200, 0.3).measured(table)
    assert found is not None
    assert found.value == pytest.approx(accuracy_score(label, score >= 0.3))
    assert len(np.unique(day)) == 7


def test_too_few_rows_or_too_few_of_a_class_are_not_measured() -> None:
    table = predictions(rows(MADE, 7, 100, 3))
    assert Terms("auc", table.num_rows + 1, 0.5).measured(table) is None
    one = put(table, "label", [float(n < CLASS_ROWS - 1) for n in range(table.num_rows)])
    assert Terms("auc", 200, 0.5).measured(one) is None
