"""The highest scores of each day."""

from __future__ import annotations

import numpy as np
import pytest

from include.core.errors import DataError
from include.problems.alerts import alerted, recall_at, said_at
from include.problems.truth import Truth


def test_each_day_has_its_own_alerts_and_the_earlier_of_equal_scores() -> None:
    day = np.array([1, 2, 1, 1, 2])
    assert alerted(np.array([0.1, 0.5, 0.9, 0.9, 0.4]), day, 1).tolist() == [0, 1, 1, 0, 0]


def test_precision_and_recall_at_the_alerts() -> None:
    truth = Truth(np.array([1.0, 1, 0, 0]), day=np.array([1, 1, 1, 1]))
    scores = np.array([0.9, 0.1, 0.8, 0.2])
    (above, below), (found, there) = said_at(2)(truth, scores), recall_at(2)(truth, scores)
    assert (above.sum(), below.sum(), found.sum(), there.sum()) == (1, 2, 1, 2)
    with pytest.raises(DataError, match="by day"):
        said_at(2)(Truth(np.ones(2)), np.ones(2))
