from __future__ import annotations

import math

import numpy as np
import pytest

from include.metrics.paired import Difference, difference
from include.metrics.values import auc, log_loss


def scored(rng: np.random.Generator, rows: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, two scores that share most of what they know, days."""
    known = rng.normal(size=rows)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-known))).astype(float)
    scores = [1 / (1 + np.exp(-(known + spread * rng.normal(size=rows)))) for spread in (0.6, 0.5)]
    return labels, scores[0], scores[1], np.arange(rows) * 28 // rows


@pytest.mark.parametrize(("metric", "function", "sign"), [("auc", auc, -1), ("log_loss", log_loss, 1)])
def test_the_difference_is_that_of_the_metrics_and_its_error_that_of_resampling(metric: str, function, sign: int) -> None:
    rng = np.random.default_rng(3)
    labels, ours, theirs, _ = scored(rng)
    found = difference(metric, labels, ours, theirs, np.arange(len(labels)))
    assert found.worse == pytest.approx(sign * (function(labels, ours) - function(labels, theirs)))
    drawn = [rng.integers(0, len(labels), len(labels)) for _ in range(300)]
    resampled = np.std([function(labels[i], ours[i]) - function(labels[i], theirs[i]) for i in drawn])
    assert found.error == pytest.approx(resampled, rel=0.15)


def test_ties_count_half() -> None:
    rng = np.random.default_rng(4)
    labels, ours, theirs, days = scored(rng)
    found = difference("auc", labels, ours.round(1), theirs.round(1), days)
    assert found.worse == pytest.approx(auc(labels, theirs.round(1)) - auc(labels, ours.round(1)))


def test_rows_that_share_a_day_are_no_independent_witnesses() -> None:
    rng = np.random.default_rng(5)
    days = np.arange(3000) // 150
    labels, theirs, *_ = scored(rng)
    bad_days = rng.normal(size=20)[days]  # the challenger errs by the day
    ours = 1 / (1 + np.exp(-(np.log(theirs / (1 - theirs)) + bad_days)))
    alone, together = (difference("log_loss", labels, ours, theirs, g) for g in (np.arange(3000), days))
    assert together.error > 1.5 * alone.error
    assert (together.freedom, alone.freedom) == (19, 2999)


def test_equal_scores_differ_by_nothing_for_certain() -> None:
    labels, ours, _, days = scored(np.random.default_rng(6))
    found = difference("auc", labels, ours, ours, days)
    assert (found.worse, found.error, found.upper(0.025), found.p_worse()) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("labels", [np.zeros(50), np.r_[1.0, np.zeros(49)], np.zeros(0)])
def test_where_the_metric_is_undefined_nothing_is_believed(labels: np.ndarray) -> None:
    scores = np.linspace(0, 1, len(labels))
    found = difference("auc", labels, scores, scores[::-1], np.arange(len(labels)))
    assert math.isnan(found.worse)
    assert not found.upper(0.025) <= 0.01
    assert found.p_worse() == 1.0


def test_few_groups_widen_the_bound() -> None:
    assert Difference(0.0, 0.01, 2, 100).upper(0.025) > Difference(0.0, 0.01, 200, 100).upper(0.025) > 0.0195


def test_it_survives_json() -> None:
    found = Difference(0.0123, 0.004, 27, 5000)
    assert Difference.from_json(found.to_json()) == found
    assert math.isnan(Difference.from_json(Difference(0.1, math.nan, 1, 2).to_json()).error)
