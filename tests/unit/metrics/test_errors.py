from __future__ import annotations

import math

import numpy as np
import pytest

from include.metrics.binary import METRICS, value
from include.metrics.errors import influence, standard_error
from tests.support.scored_rows import scores

ONE_GROUP = np.zeros(1500, np.int64)


@pytest.mark.parametrize("name", METRICS)
def test_the_error_of_a_metric_is_the_spread_of_fresh_samples(name: str) -> None:
    """Scores are too low here: where they are right, the calibration error is all noise."""
    samples = [(label, score / 2) for label, score in (scores(1500, seed) for seed in range(200))]
    spread = np.std([value(name, *sample, 0.2) for sample in samples])
    error = np.mean([standard_error(name, *sample, ONE_GROUP, 0.2) for sample in samples])
    assert error == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize("name", METRICS)
def test_the_influences_of_all_rows_add_up_to_nothing(name: str) -> None:
    label, score = scores(1500)
    found = influence(name, label, score, 0.4)
    assert found.value == pytest.approx(value(name, label, score, 0.4))
    assert found.rows.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_groups_are_reported_as_deleting_one_at_a_time_tells_them(name: str) -> None:
    label, score = scores(2100)
    day = np.repeat(np.arange(7), 300)
    rng = np.random.default_rng(2)
    hard = np.where(rng.random(2100) < np.linspace(0, 0.5, 7)[day], 1 - label, label)  # each day harder than the one before
    rests = [value(name, hard[day != each], score[day != each], 0.4) for each in range(7)]
    jackknife = np.sqrt(6 / 7 * np.square(np.array(rests) - np.mean(rests)).sum())
    assert influence(name, hard, score, 0.4).group_error(day)[0] == pytest.approx(jackknife, rel=0.1)


def test_days_that_differ_widen_the_error() -> None:
    label, score = scores(2100)
    day = np.repeat(np.arange(7), 300)
    stormy = np.where(day == 3, 1 - label, label)  # one day the model is wrong about everything
    assert standard_error("auc", stormy, score, day, 0.5) > 3 * influence("auc", stormy, score, 0.5).row_error()


def test_fewer_than_three_groups_say_nothing_of_how_groups_differ() -> None:
    label, score = scores(1500)
    two = np.arange(1500) % 2
    assert standard_error("auc", label, score, two, 0.5) == influence("auc", label, score, 0.5).row_error()


@pytest.mark.parametrize("labels", [np.zeros(50), np.r_[1.0, np.zeros(49)], np.zeros(0)])
def test_an_auc_without_two_of_a_class_has_no_error(labels: np.ndarray) -> None:
    found = influence("auc", labels, np.linspace(0, 1, len(labels)), 0.5)
    assert math.isnan(found.value)
    assert math.isnan(found.error(np.arange(len(labels))))


def test_a_model_that_never_says_yes_has_a_precision_without_noise() -> None:
    label, score = scores(100)
    assert influence("precision", label, score * 0, 0.5).row_error() == 0.0
