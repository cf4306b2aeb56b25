from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from include.metrics.estimates import Floats, auc
from include.metrics.paired_by_day import compare


def scores(seed: int, n: int = 800, gain: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Labels, and two models' scores of the same rows; the second sees `gain` more of the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    label = (rng.random(n) < expit(truth)).astype(float)
    noise = rng.normal(size=n)
    first, second = truth + noise, truth + (1 - gain) * noise + 0.3 * rng.normal(size=n)
    return label, expit(first), expit(second)


@pytest.mark.parametrize("metric", ["auc", "log_loss", "accuracy"])
def test_the_error_is_the_spread_of_fresh_samples_and_smaller_than_that_of_two_values(metric: str) -> None:
    one_group = np.zeros(800, np.int64)
    found = [compare(*scores(seed), one_group, metric, 2) for seed in range(200)]
    spread = np.std([each.better for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.15)
    if metric == "auc":
        assert spread < 0.7 * np.hypot(*(np.std([auc(scores(seed)[0], scores(seed)[n]) for seed in range(200)]) for n in (1, 2)))


def test_better_is_positive_whatever_the_metric_counts() -> None:
    label, first, second = scores(1, 20_000, gain=1.0)
    day = np.arange(20_000) // 2000
    for metric in ("auc", "log_loss"):
        found = compare(label, first, second, day, metric, 3)
        assert found.better > 3 * found.error
        assert "Version 3 is better than the champion on the same 20,000 rows" in found.words
        assert compare(label, second, first, day, metric, 3).better == pytest.approx(-found.better)


def test_equal_scores_are_as_good_and_days_that_differ_widen_the_error() -> None:
    label, first, second = scores(2)
    same = compare(label, first, first, np.zeros(800, np.int64), "auc", 2)
    assert (same.better, same.error) == (0.0, 0.0)
    assert "as good as" in same.words
    day = np.arange(800) // 100
    stormy = np.where(day == 3, 1 - second, second)
    assert (
        compare(label, first, stormy, day, "auc", 2).error
        > 2 * compare(label, first, stormy, np.zeros(800, np.int64), "auc", 2).error
    )
