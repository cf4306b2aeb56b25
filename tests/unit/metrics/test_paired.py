from __future__ import annotations

import math

import numpy as np
import pytest

from include.metrics.binary import METRICS, auc, value, worse_by
from include.metrics.paired import Difference, difference
from tests.support.scored_rows import two_models


def scored(rng: np.random.Generator, rows: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, two scores that share most of what they know, days."""
    known = rng.normal(size=rows)
    labels = (rng.random(rows) < 1 / (1 + np.exp(-known))).astype(float)
    scores = [1 / (1 + np.exp(-(known + spread * rng.normal(size=rows)))) for spread in (0.6, 0.5)]
    return labels, scores[0], scores[1], np.arange(rows) * 28 // rows


@pytest.mark.parametrize("metric", METRICS)
def test_the_difference_is_that_of_the_metrics_and_its_error_that_of_resampling(metric: str) -> None:
    rng = np.random.default_rng(3)
    labels, ours, theirs, _ = scored(rng)
    ours = ours**2  # far from its rates: where a score is right, the calibration error is all noise
    found = difference(metric, labels, ours, theirs, np.arange(len(labels)), 0.4)

    def worse(rows: np.ndarray) -> float:
        return worse_by(metric, *(value(metric, labels[rows], each[rows], 0.4) for each in (ours, theirs)))

    assert found.worse == pytest.approx(worse(np.arange(len(labels))))
    resampled = np.std([worse(rng.integers(0, len(labels), len(labels))) for _ in range(300)])
    assert found.error == pytest.approx(resampled, rel=0.15)


@pytest.mark.parametrize("metric", ["auc", "log_loss", "accuracy"])
def test_the_error_is_the_spread_of_fresh_samples_and_smaller_than_that_of_two_values(metric: str) -> None:
    one_group = np.zeros(800, np.int64)
    found = [difference(metric, *two_models(seed), one_group, 0.5) for seed in range(200)]
    spread = np.std([each.worse for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(spread, rel=0.15)
    if metric == "auc":
        apart = (np.std([auc(two_models(seed)[0], two_models(seed)[n]) for seed in range(200)]) for n in (1, 2))
        assert spread < 0.7 * np.hypot(*apart)


@pytest.mark.parametrize("metric", METRICS)
def test_worse_one_way_is_better_the_other_way(metric: str) -> None:
    label, first, second = two_models(1, 20_000, gain=1.0)
    day = np.arange(20_000) // 2000
    there, back = difference(metric, label, first, second, day, 0.5), difference(metric, label, second, first, day, 0.5)
    assert (there.worse, there.error) == pytest.approx((-back.worse, back.error))


def test_ties_count_half() -> None:
    rng = np.random.default_rng(4)
    labels, ours, theirs, days = scored(rng)
    found = difference("auc", labels, ours.round(1), theirs.round(1), days, 0.5)
    assert found.worse == pytest.approx(auc(labels, theirs.round(1)) - auc(labels, ours.round(1)))


def test_rows_that_share_a_day_are_no_independent_witnesses() -> None:
    rng = np.random.default_rng(5)
    days = np.arange(3000) // 150
    labels, theirs, *_ = scored(rng)
    bad_days = rng.normal(size=20)[days]  # the challenger errs by the day
    ours = 1 / (1 + np.exp(-(np.log(theirs / (1 - theirs)) + bad_days)))
    alone, together = (difference("log_loss", labels, ours, theirs, g, 0.5) for g in (np.arange(3000), days))
    assert together.error > 1.5 * alone.error
    assert (together.freedom, alone.freedom) == (19, 2999)


def test_equal_scores_differ_by_nothing_for_certain() -> None:
    labels, ours, _, days = scored(np.random.default_rng(6))
    found = difference("auc", labels, ours, ours, days, 0.5)
    assert (found.worse, found.error, found.upper(0.025), found.p_worse()) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("labels", [np.zeros(50), np.r_[1.0, np.zeros(49)], np.zeros(0)])
def test_where_the_metric_is_undefined_nothing_is_believed(labels: np.ndarray) -> None:
    scores = np.linspace(0, 1, len(labels))
    found = difference("auc", labels, scores, scores[::-1], np.arange(len(labels)), 0.5)
    assert math.isnan(found.worse)
    assert not found.upper(0.025) <= 0.01
    assert found.p_worse() == 1.0


def test_few_groups_widen_the_bound() -> None:
    assert Difference(0.0, 0.01, 2, 100).upper(0.025) > Difference(0.0, 0.01, 200, 100).upper(0.025) > 0.0195


def test_it_survives_json() -> None:
    found = Difference(0.0123, 0.004, 27, 5000)
    assert Difference.from_json(found.to_json()) == found
    assert math.isnan(Difference.from_json(Difference(0.1, math.nan, 1, 2).to_json()).error)
