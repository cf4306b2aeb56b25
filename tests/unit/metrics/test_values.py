from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from include.metrics import values as metrics


def sample(seed: int, rows: int = 500, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, labels that follow them."""
    draw = np.random.default_rng(seed)
    scores = np.round(draw.random(rows), digits).astype(np.float32)
    return (draw.random(rows) < scores).astype(np.float64), scores


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_equals_scikit_learns(seed: int) -> None:
    labels, scores = sample(seed)
    clipped = np.clip(scores.astype(np.float64), metrics.EPSILON, 1 - metrics.EPSILON)
    ours, said = metrics.measure(labels, scores), scores >= 0.5
    assert ours["auc"] == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-6)
    assert ours["log_loss"] == pytest.approx(reference.log_loss(labels, clipped), abs=1e-6)
    assert ours["brier"] == pytest.approx(reference.brier_score_loss(labels, scores), abs=1e-6)
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(labels, said), abs=1e-6)
    assert ours["precision"] == pytest.approx(reference.precision_score(labels, said), abs=1e-6)
    assert ours["recall"] == pytest.approx(reference.recall_score(labels, said), abs=1e-6)
    assert ours["f1"] == pytest.approx(reference.f1_score(labels, said), abs=1e-6)


def test_scores_that_are_their_own_rate_are_calibrated_and_others_are_not() -> None:
    labels, scores = sample(1, rows=200_000, digits=6)
    assert metrics.ece(labels, scores) < 0.01
    assert metrics.ece(labels, np.clip(scores + 0.3, 0, 1)) > 0.1


def test_calibration_counts_every_row_once() -> None:
    labels, scores = sample(2)
    assert sum(row["rows"] for row in metrics.calibration(labels, scores)) == len(labels)


def test_one_class_has_no_auc() -> None:
    scores = np.array([0.2, 0.7], np.float32)
    assert math.isnan(metrics.auc(np.zeros(2), scores))
    assert metrics.measure(np.zeros(2), scores)["auc"] is None


def test_certain_and_wrong_is_a_finite_loss() -> None:
    assert 10 < metrics.log_loss(np.array([1.0]), np.array([0.0], np.float32)) < 20


def test_a_model_that_never_says_yes_divides_by_nothing() -> None:
    found = metrics.at_threshold(np.array([1.0, 0.0]), np.array([0.1, 0.1]))
    assert found == {"accuracy": 0.5, "precision": 0.0, "recall": 0.0, "f1": 0.0}
