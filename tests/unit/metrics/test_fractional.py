from __future__ import annotations

import numpy as np
import pytest

from include.metrics.binary import METRICS, value
from include.metrics.fractional import FractionalMetric
from tests.support.scored_rows import scores


@pytest.mark.parametrize("name", METRICS)
def test_whole_labels_give_the_metric_itself(name: str) -> None:
    label, score = scores()
    assert FractionalMetric(name, score, 0.3).value(label, 1 - label) == pytest.approx(value(name, label, score, 0.3))


@pytest.mark.parametrize("name", METRICS)
def test_a_half_yes_is_a_yes_and_a_no_of_half_the_weight(name: str) -> None:
    label, score = scores(500)
    doubled = FractionalMetric(name, np.tile(score, 2), 0.3)
    halves = np.concatenate([label, label]) / 2
    assert doubled.value(halves, 0.5 - halves) == pytest.approx(value(name, label, score, 0.3))


def test_a_model_that_never_says_yes_divides_by_nothing() -> None:
    assert FractionalMetric("precision", np.array([0.1, 0.2]), 0.5).value(np.ones(2), np.zeros(2)) == 0.0
