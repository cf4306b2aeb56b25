"""What is known of an arm is what its entities' arrays say."""

from __future__ import annotations

import numpy as np
import pytest

from include.experiments.moments import Moments


def test_of_plain_values_they_are_mean_and_variance() -> None:
    value = np.array([1.0, 4.0, 2.0, 9.0])
    arm = Moments.of(value)
    assert float(arm.ratio) == value.mean()
    assert float(arm.variance) == pytest.approx(value.var(ddof=1))


def test_clusters_are_as_wide_as_their_entities_spread() -> None:
    """Against the bootstrap by entity; who takes requests for independent is far too sure."""
    rng = np.random.default_rng(5)
    requests = rng.geometric(0.1, 1500).astype(float)
    good = rng.binomial(requests.astype(int), rng.beta(0.5, 0.5, 1500)).astype(float)
    arm = Moments.of(good, requests)
    drawn = rng.integers(0, 1500, (600, 1500))
    spread = (good[drawn].sum(axis=1) / requests[drawn].sum(axis=1)).std()
    assert float(np.sqrt(arm.variance / arm.n)) == pytest.approx(spread, rel=0.1)
    rate = good.sum() / requests.sum()
    assert spread > 2 * np.sqrt(rate * (1 - rate) / requests.sum())


def test_they_survive_their_json_and_large_values() -> None:
    value = 1e9 + np.array([0.0, 1.0, 2.0])
    arm = Moments.from_json(Moments.of(value, before=value).to_json())
    assert float(arm.variance) == pytest.approx(1.0)
    assert float(arm.covariance) == pytest.approx(1.0)


def test_of_nobody_nothing_is_known() -> None:
    arm = Moments.of(np.empty(0))
    assert np.isnan(arm.ratio)
    assert np.isnan(arm.variance)
    assert np.isnan(Moments.of(np.ones(1)).variance)
