from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from include.metrics.binary import EPSILON, METRICS, WITHOUT_THRESHOLD, auc, log_loss, measure, title, value, worse_by


def sample(seed: int, rows: int = 500, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, labels that follow them."""
    draw = np.random.default_rng(seed)
    scores = np.round(draw.random(rows), digits).astype(np.float32)
    return (draw.random(rows) < scores).astype(np.float64), scores


@pytest.mark.parametrize("threshold", [0.25, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_every_metric_equals_scikit_learns(seed: int, threshold: float) -> None:
    labels, scores = sample(seed)
    clipped = np.clip(scores.astype(np.float64), EPSILON, 1 - EPSILON)
    ours, said = measure(labels, scores, threshold), scores >= threshold
    assert ours["auc"] == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-6)
    assert ours["log_loss"] == pytest.approx(reference.log_loss(labels, clipped), abs=1e-6)
    assert ours["brier"] == pytest.approx(reference.brier_score_loss(labels, scores), abs=1e-6)
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(labels, said), abs=1e-6)
    assert ours["precision"] == pytest.approx(reference.precision_score(labels, said), abs=1e-6)
    assert ours["recall"] == pytest.approx(reference.recall_score(labels, said), abs=1e-6)
    assert ours["f1"] == pytest.approx(reference.f1_score(labels, said), abs=1e-6)


def test_a_float32_score_is_decided_on_as_the_gateway_does() -> None:
    """A float32 of .7 lies a little below .7: in float64 it says no, in float32 it would say yes."""
    score = np.array([0.7], np.float32)
    assert not float(score[0]) >= 0.7
    assert value("accuracy", np.array([0.0]), score, 0.7) == 1.0


def test_without_a_threshold_no_decision_is_measured() -> None:
    labels, scores = sample(1)
    assert tuple(measure(labels, scores, None)) == WITHOUT_THRESHOLD == ("auc", "log_loss", "brier", "ece")
    assert tuple(measure(labels, scores, 0.5)) == tuple(METRICS)


def test_one_class_has_no_auc() -> None:
    scores = np.array([0.2, 0.7], np.float32)
    assert math.isnan(auc(np.zeros(2), scores))
    assert measure(np.zeros(2), scores, 0.5)["auc"] is None


@pytest.mark.parametrize("name", METRICS)
def test_without_rows_nothing_is_known(name: str) -> None:
    assert math.isnan(value(name, np.empty(0), np.empty(0), 0.5))


def test_certain_and_wrong_is_a_finite_loss() -> None:
    assert 10 < log_loss(np.array([1.0]), np.array([0.0], np.float32)) < 20


def test_a_model_that_never_says_yes_divides_by_nothing() -> None:
    found = measure(np.array([1.0, 0.0]), np.array([0.1, 0.1]), 0.5)
    assert [found[name] for name in ("accuracy", "precision", "recall", "f1")] == [0.5, 0.0, 0.0, 0.0]


def test_worse_is_positive_whatever_the_metric_counts() -> None:
    assert worse_by("auc", 0.7, than=0.75) == pytest.approx(0.05)
    assert worse_by("log_loss", 0.5, than=0.4) == pytest.approx(0.1)
    assert worse_by("ece", 0.01, than=0.02) == pytest.approx(-0.01)


def test_a_metric_is_named_as_in_a_sentence() -> None:
    assert [title(name) for name in ("auc", "f1", "log_loss", "ece", "of_another_table")] == [
        "AUC", "F1", "log loss", "calibration error", "of another table",
    ]  # fmt: skip
