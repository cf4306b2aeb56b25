from __future__ import annotations

import numpy as np
import pytest

from include.metrics.binary import value
from include.metrics.calibration import calibration_table, gaps
from tests.support.scored_rows import scores


def test_scores_that_are_their_own_rate_are_calibrated_and_others_are_not() -> None:
    label, score = scores(200_000)
    assert value("ece", label, score, 0.5) < 0.01
    assert value("ece", label, np.clip(score + 0.3, 0, 1), 0.5) > 0.1


def test_the_table_counts_every_row_once_and_its_gaps_are_the_error() -> None:
    label, score = scores()
    table = calibration_table(label, score)
    assert sum(row["rows"] for row in table) == len(label)
    error = sum(row["rows"] * abs(row["rate"] - row["score"]) for row in table) / len(label)
    assert gaps(label, score).mean() == pytest.approx(error)


def test_the_error_does_not_depend_on_the_order_of_the_rows() -> None:
    label, score = scores(500)
    order = np.random.default_rng(1).permutation(500)
    assert value("ece", label[order], score[order], 0.5) == pytest.approx(value("ece", label, score, 0.5))
    constant = np.full(4, 0.5)
    assert value("ece", np.array([1.0, 1.0, 0.0, 0.0]), constant, 0.5) == 0.0


def test_scores_of_zero_and_one_have_a_bin() -> None:
    table = calibration_table(np.array([0.0, 1.0]), np.array([0.0, 1.0], np.float32))
    assert table == [{"rows": 1, "score": 0.0, "rate": 0.0}, {"rows": 1, "score": 1.0, "rate": 1.0}]


def test_weights_count_in_means_and_shares_and_rows_stay_rows() -> None:
    labels, scores = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.12, 0.18, 0.9, 0.95])
    low, high = calibration_table(labels, scores, np.array([3.0, 1.0, 1.0, 1.0]))
    assert (low["rows"], high["rows"]) == (2, 2)
    assert low["rate"] == pytest.approx(0.75)
    assert low["score"] == pytest.approx((3 * 0.12 + 0.18) / 4)
    assert calibration_table(labels, scores, np.ones(4)) == calibration_table(labels, scores)
