"""Metrics of rows that do not count alike are scikit-learn's, weights included."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from include.problems.truth import Truth
from include.problems.weighted import auc, average_precision
from tests.support.problem_draws import drawn


def test_auc_and_average_precision_are_those_of_scikit_learn() -> None:
    _, truth, scores = drawn("binary")
    weight = np.random.default_rng(3).uniform(0.2, 5, len(truth))
    weighted = Truth(truth.labels, weight)
    assert auc(weighted, scores).value == pytest.approx(roc_auc_score(truth.labels, scores, sample_weight=weight))
    for each, known in ((weighted, weight), (truth, None)):
        expected = average_precision_score(truth.labels, scores, sample_weight=known)
        assert average_precision(each, scores).value == pytest.approx(expected)


def test_without_a_positive_nothing_is_defined() -> None:
    nobody = Truth(np.zeros(5))
    assert np.isnan(average_precision(nobody, np.linspace(0, 1, 5)).value)
    assert np.isnan(auc(nobody, np.linspace(0, 1, 5)).value)
