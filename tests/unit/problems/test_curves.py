"""What reports draw, against the plain account of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix, precision_recall_curve

from include.problems.curves import (
    POINTS,
    SHOWN,
    by_place,
    by_prediction,
    confusion,
    coverage,
    precision_recall,
    rank_correlation,
    residuals,
)
from include.problems.truth import Truth
from tests.support.problem_draws import drawn

RNG = np.random.default_rng(4)


def test_precision_and_recall_are_scikit_learns_and_weights_count() -> None:
    labels, scores = (RNG.random(40) < 0.3).astype(np.float64), np.round(RNG.random(40), 2)
    weight = RNG.uniform(0.5, 2, 40)
    for given in (None, weight):
        curve = precision_recall(Truth(labels, given), scores)
        precision, recall, _ = precision_recall_curve(labels, scores, sample_weight=given)
        known = np.column_stack([recall, precision])
        assert all(np.abs(known - point).max(axis=1).min() < 1e-5 for point in curve["points"])
        assert curve["level"] == pytest.approx(np.average(labels, weights=given), abs=1e-6)
    long = precision_recall(Truth((RNG.random(5000) < 0.3).astype(np.float64)), RNG.random(5000))
    assert len(long["points"]) == POINTS


def test_errors_are_shares_and_the_farthest_are_in_the_outermost_bars() -> None:
    labels = RNG.standard_t(3, 500)
    curve = residuals(Truth(labels), np.zeros(500), "minutes")
    shares = [share for _, share in curve["points"]]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert curve["points"][0][0] > np.quantile(-labels, 0.01) > (-labels).min()
    assert curve["x"] == "value - label (minutes)"
    assert residuals(Truth(np.ones(5)), np.ones(5), "")["points"]  # all alike


def test_groups_by_prediction_show_what_came_true() -> None:
    value = np.sort(RNG.normal(size=400))
    truth = Truth(2 * value)
    points = by_prediction(truth, value, "")["points"]
    assert len(points) == 10
    assert [label for _, label in points] == pytest.approx([2 * said for said, _ in points], rel=1e-3)
    inside = (value > 0).astype(np.float64)
    covered = coverage(truth, value, inside, 0.8, "")
    assert covered["level"] == 0.8
    assert [share for _, share in covered["points"]][-1] == 1
    assert by_prediction(truth, np.zeros(400), "")["points"] == [[0.0, pytest.approx(truth.labels.mean(), abs=1e-4)]]


def test_confusion_counts_rows_and_puts_rare_classes_together() -> None:
    truth, decided = Truth(RNG.integers(0, 3, 90).astype(np.float64)), RNG.integers(0, 3, 90)
    curve = confusion(truth, decided, ("a", "b", "c"))
    assert [row[0] for row in curve["rows"]] == ["a", "b", "c"]
    assert [row[1:] for row in curve["rows"]] == confusion_matrix(truth.labels, decided).tolist()
    many = tuple(f"c{number}" for number in range(SHOWN + 5))
    wide = confusion(Truth(RNG.integers(0, len(many), 900).astype(np.float64)), RNG.integers(0, len(many), 900), many)
    assert wide["columns"][-1] == "others"
    assert sum(sum(row[1:]) for row in wide["rows"]) == 900  # type: ignore[arg-type]


def test_ndcg_by_place_ends_at_the_metric() -> None:
    problem, truth, outputs = drawn("ranking")
    points = by_place(truth, outputs, 3)["points"]
    assert [place for place, _ in points] == [1, 2, 3]
    assert points[-1][1] == pytest.approx(problem.measure(truth, outputs)["ndcg"], abs=1e-5)


def test_the_correlation_of_ranks_is_scipys_and_says_nothing_of_a_constant() -> None:
    one, other = RNG.normal(size=50), np.round(RNG.normal(size=50), 1)
    assert rank_correlation(one, other) == pytest.approx(abs(spearmanr(one, other).statistic))
    assert rank_correlation(one, -np.exp(one)) == pytest.approx(1)
    assert np.isnan(rank_correlation(one, np.ones(50)))
