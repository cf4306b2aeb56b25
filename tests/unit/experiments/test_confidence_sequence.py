"""The boundary of the intervals: its form, its duality with the p-value, and how often it is crossed without a difference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from include.experiments.confidence_sequence import information, optimal_information, p_value, width, width_once

ALPHA = 0.05


def test_the_width_is_the_theorem_s() -> None:
    n, alpha = 400.0, ALPHA / 2  # half of alpha is kept for the planned end
    r2 = optimal_information(ALPHA) / 1000
    theirs = math.sqrt(2 * (n * r2 + 1) / (n**2 * r2) * math.log(math.sqrt(n * r2 + 1) / alpha))  # for a deviation of 1
    assert float(width(information(n, 1000, ALPHA), ALPHA)) * math.sqrt(1 / n) == pytest.approx(theirs)


def test_it_is_narrowest_at_the_planned_end() -> None:
    best = optimal_information(ALPHA)
    around = width(best * np.array([0.5, 0.9, 1.0, 1.1, 2.0]), ALPHA)
    # Of all scales r that one could have chosen for this moment, none makes it narrower by more than the paper's approximation.
    assert around[2] == pytest.approx(around.min(), rel=0.002)


@pytest.mark.parametrize("final", [False, True])
def test_p_is_below_alpha_exactly_where_the_interval_leaves_out_zero(final: bool) -> None:
    z, x = np.meshgrid(np.linspace(-5, 5, 201), np.array([0.1, 1.0, 9.0, 50.0]))
    assert ((p_value(z, x, final) <= ALPHA) == (np.abs(z) >= width(x, ALPHA, final))).all()


def test_the_planned_end_has_the_interval_of_a_test_done_once() -> None:
    x = optimal_information(ALPHA)
    assert float(width(x, ALPHA, final=True)) == width_once(ALPHA / 2)
    assert float(width(x, ALPHA)) > 3


def test_nothing_is_known_before_the_first_observation() -> None:
    assert math.isinf(float(width(0.0, ALPHA)))
    assert float(p_value(0.0, 0.0)) == 1.0


def test_a_walk_without_drift_crosses_it_at_most_alpha_of_the_time() -> None:
    rng = np.random.default_rng(3)
    looks = np.arange(1, 201)
    walk = rng.standard_normal((2000, 200)).cumsum(axis=1) / np.sqrt(looks)
    x = information(looks, 200, ALPHA)
    crossed = (np.abs(walk) >= width(x, ALPHA, looks == 200)).any(axis=1).mean()
    assert 0.01 < crossed <= ALPHA  # not idle, and not more than it may
    assert (np.abs(walk) >= 1.96).any(axis=1).mean() > 0.3  # the usual test at every look
